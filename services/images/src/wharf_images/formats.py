"""The formats from which the service makes pictures, their first bytes and their limits.

Only the first bytes decide: the service ignores a file's name and declared type. A file of any
other format has no picture.
"""

from __future__ import annotations

from enum import Enum

WIDTHS = (64, 256, 1024)
# The number of bytes that decide which format a file has.
PREFIX_BYTES = 16
MAX_FILE_BYTES = 128 * 1024 * 1024

_AVIF_BRANDS = frozenset((b"avif", b"avis", b"mif1", b"msf1"))


class Format(Enum):
    """A format of files from which the service makes pictures."""

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"
    AVIF = "avif"
    BMP = "bmp"
    PDF = "pdf"


class NoPicture(Exception):
    """The file has no picture, because it is broken, too large, or of an unknown format.

    Attributes:
        reason: `unknown`, `broken`, `too-large` or `too-slow`; a label of the metrics.
        detail: the error, for the log.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


MAX_PIXELS = {
    # The decoder reduces a JPEG to as little as an eighth of its size, so the limit is higher.
    Format.JPEG: 120_000_000,
    Format.PNG: 100_000_000,
    Format.AVIF: 40_000_000,
    Format.BMP: 40_000_000,
    # The decoders of these formats need several times the picture's memory.
    Format.WEBP: 25_000_000,
    Format.GIF: 25_000_000,
}


def format_of(prefix: bytes) -> Format | None:
    """Return the format of a file that begins with these bytes, `None` if it has no picture."""
    for magic, found in (
        (b"\xff\xd8\xff", Format.JPEG),
        (b"\x89PNG\r\n\x1a\n", Format.PNG),
        (b"GIF87a", Format.GIF),
        (b"GIF89a", Format.GIF),
        (b"%PDF-", Format.PDF),
    ):
        if prefix.startswith(magic):
            return found
    if prefix[:4] == b"RIFF" and prefix[8:12] == b"WEBP":
        return Format.WEBP
    if prefix[4:8] == b"ftyp" and prefix[8:12] in _AVIF_BRANDS:
        return Format.AVIF
    # Many texts begin with "BM". In a BMP the bytes 6 to 9 are reserved, and the size of the header
    # is one of three.
    if (
        prefix[:2] == b"BM"
        and prefix[6:10] == bytes(4)
        and prefix[14:15] in {b"\x28", b"\x6c", b"\x7c"}
    ):
        return Format.BMP
    return None


def is_webp(content: bytes) -> bool:
    """Tell whether the bytes are one complete WebP file; the sandbox's result is not trusted."""
    whole = len(content) == int.from_bytes(content[4:8], "little") + 8
    return whole and content[:4] == b"RIFF" and content[8:12] == b"WEBP"
