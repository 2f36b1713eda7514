"""Formats for which the first bytes are not enough evidence.

The functions also check fields of the header, the size, or the end of the file. Each function
returns the media type, or None if the bytes do not fit.
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

from wharf_upload.content_types.content import Content

_PNM_GAP: Final = rb"(?:\s|#[^\n]*\n)++"
_PNM: Final = re.compile(
    rb"P(?:([14])%(gap)b(\d{1,9})%(gap)b(\d{1,9})"
    rb"|([2356])%(gap)b(\d{1,9})%(gap)b(\d{1,9})%(gap)b(\d{1,5}))\s" % {b"gap": _PNM_GAP}
)
_PNM_COMMENT: Final = re.compile(rb"#[^\n]*")
_PNM_DIGITS: Final = re.compile(rb"[0-9\s]*"), re.compile(rb"[01\s]*")
_PNM_KINDS: Final = {
    b"1": "image/x-portable-bitmap", b"2": "image/x-portable-graymap",
    b"3": "image/x-portable-pixmap", b"4": "image/x-portable-bitmap",
    b"5": "image/x-portable-graymap", b"6": "image/x-portable-pixmap",
}  # fmt: skip
_FORM_KINDS: Final = {
    b"AIFF": "audio/aiff", b"AIFC": "audio/x-aifc",
    b"ILBM": "image/x-ilbm", b"PBM ": "image/x-ilbm",
}  # fmt: skip
_CPIO: Final = re.compile(rb"07070(?:[12][0-9A-Fa-f]{104}|7[0-7]{70})")
_TAR_CHECKSUM: Final = re.compile(rb" *([0-7]{1,7})[ \0]")
_TORRENT: Final = re.compile(
    rb"d\d{1,2}:(?:announce|announce-list|comment|created by|creation date|info|nodes|publisher)"
)
_DWG: Final = re.compile(rb"AC10[0-9]{2}\0")
_LHA: Final = re.compile(rb"-(?:lh[0-9sd]|lz[0-9s]|pm[0-2])-")
_BZIP2: Final = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_QOI: Final = struct.Struct(">4xLLBB")
_LZMA: Final = struct.Struct("<xLQ")
_ARJ: Final = struct.Struct("<2xHBBBxxxB")
_STL: Final = struct.Struct("<80xL")
_TGA: Final = struct.Struct("<BBB2xHB4xHHB")  # text, map, kind, map size and depth, picture
_PNM_MOST_BEHIND: Final = 8  # bytes; some writers add a few at the end
_PYTHON_3: Final = range(3000, 4000)  # the magic numbers of Python 3
_APPLE_DISK: Final = "application/x-apple-diskimage"
_ANY_SIZE: Final = (1 << 64) - 1

# DER: the first bytes inside the outer sequence of a certificate, a key store, a signed message.
_DER: Final = (
    (re.compile(rb"\x30[\x81-\x83].{1,3}\xa0\x03\x02\x01[\x00-\x02]\x02", re.DOTALL),
     "application/pkix-cert"),
    (re.compile(rb"\x02\x01\x03\x30"), "application/pkcs12"),
    (re.compile(rb"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07[\x02\x03]"), "application/pkcs7-mime"),
)  # fmt: skip


class _PortableMap(NamedTuple):
    """The header of a Netpbm picture.

    `kind` is "1" to "6"; the pixels of kinds 1 to 3 are written in digits. `samples` is the number
    of samples, `size` their size in bytes, `begin` the offset of the first sample.
    """

    kind: bytes
    samples: int
    size: int
    begin: int


def portable_map_type(content: Content) -> str | None:
    """Return the type of a Netpbm picture: the letter P, a digit, and the picture's sizes."""
    found = _portable_map(content.head)
    return _PNM_KINDS[found.kind] if found else None


def printable_map_type(content: Content) -> str | None:
    """Return the type of a Netpbm picture that contains no control byte.

    A text table may begin like a Netpbm header, so the rest of the file must have the number of
    samples, or the size, that the header declares.
    """
    found = _portable_map(content.head)
    if found is None:
        return None
    if found.kind in b"123":
        data = _PNM_COMMENT.sub(b"", content.head[found.begin :])
        fits = _PNM_DIGITS[found.kind == b"1"].fullmatch(data) is not None
        if content.size == len(content.head):
            count = sum(map(len, data.split())) if found.kind == b"1" else len(data.split())
            fits = fits and count == found.samples
    else:
        more = None if content.size is None else content.size - found.begin - found.size
        fits = more is None or 0 <= more <= _PNM_MOST_BEHIND
    return _PNM_KINDS[found.kind] if fits else None


def _portable_map(head: bytes) -> _PortableMap | None:
    found = _PNM.match(head)
    if found is None:
        return None
    kind, *numbers = filter(None, found.groups())
    width, height, depth = (*map(int, numbers), 1)[:3]
    if not (width and height and 0 < depth < 1 << 16):
        return None
    samples = width * height * (3 if kind in b"36" else 1)
    size = samples * (2 if depth > 0xFF else 1)
    return _PortableMap(
        kind, samples, (width + 7) // 8 * height if kind == b"4" else size, found.end()
    )


def form_type(content: Content) -> str | None:
    """Return the type of an IFF file from the kind of its form."""
    return _FORM_KINDS.get(content.head[8:12])


def cpio_type(content: Content) -> str | None:
    """Return the type of a cpio archive with a header in digits."""
    return "application/x-cpio" if _CPIO.match(content.head) else None


def torrent_type(content: Content) -> str | None:
    """Return the type of a torrent, a dictionary that begins with one of its usual keys (BEP 3)."""
    return "application/x-bittorrent" if _TORRENT.match(content.head) else None


def dwg_type(content: Content) -> str | None:
    """Return the type of an AutoCAD drawing, which begins with a version and a zero byte."""
    return "image/vnd.dwg" if _DWG.match(content.head) else None


def bzip2_type(content: Content) -> str | None:
    """Return the type of a bzip2 file, or of an Apple disk image that begins with a bzip2 block."""
    if not _BZIP2.match(content.head):
        return None
    return _APPLE_DISK if _is_apple_disk(content) else "application/x-bzip2"


def xz_type(content: Content) -> str:
    """Return the type of an xz file, or of an Apple disk image that begins with an xz block."""
    return _APPLE_DISK if _is_apple_disk(content) else "application/x-xz"


def lha_type(content: Content) -> str | None:
    """Return the type of an LHA archive: a known method follows the header's size and checksum."""
    return "application/x-lha" if _LHA.match(content.head, 2) else None


def qoi_type(content: Content) -> str | None:
    """Return "image/qoi" for a header with a size, 3 or 4 channels and a known colour space."""
    found = content.numbers(_QOI, 0)
    fits = found is not None and found[0] and found[1] and found[2] in {3, 4} and found[3] in {0, 1}
    return "image/qoi" if fits else None


def sgi_type(content: Content) -> str | None:
    """Return "image/x-sgi" for a header with a valid storage, channel size and dimension."""
    head = content.head
    fits = head[2:3] in {b"\0", b"\1"} and head[3:4] in {b"\1", b"\2"}
    return "image/x-sgi" if fits and head[4:6] in {b"\0\1", b"\0\2", b"\0\3"} else None


def icns_type(content: Content) -> str | None:
    """Return "image/x-icns" for a header that contains the size of the file."""
    size = int.from_bytes(content.head[4:8], "big")
    return "image/x-icns" if size > 8 and content.size in {None, size} else None


def lzma_type(content: Content) -> str | None:
    """Return the type of a raw LZMA file: its dictionary size is a power of two from 4096 on."""
    found = content.numbers(_LZMA, 0)
    if found is None or found[0] < 4096 or found[0] & (found[0] - 1):
        return None
    return "application/x-lzma" if found[1] == _ANY_SIZE or found[1] < 1 << 40 else None


def arj_type(content: Content) -> str | None:
    """Return the type of an ARJ archive: its main header has a valid size and kind."""
    found = content.numbers(_ARJ, 0)
    if found is None:
        return None
    size, first, version, _, kind = found
    return "application/x-arj" if 30 <= first < size <= 2600 and version and kind <= 4 else None


def pcapng_type(content: Content) -> str | None:
    """Return the type of a pcapng file from its first block's byte order (RFC draft, 4.1)."""
    fits = content.head[8:12] in {b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"}
    return "application/x-pcapng" if fits else None


def sqlite_type(content: Content) -> str | None:
    """Return the type of an SQLite database or of a GeoPackage, which is an SQLite database too."""
    geo = content.head[68:72] in {b"GPKG", b"GP10", b"GP11"}
    return "application/geopackage+sqlite3" if geo else "application/x-sqlite3"


def parquet_type(content: Content) -> str | None:
    """Return the type of a Parquet file, which begins and ends with "PAR1".

    While the size of the file is unknown, the beginning decides.
    """
    if content.size is None:
        return "application/vnd.apache.parquet"
    return "application/vnd.apache.parquet" if content.holds(b"PAR1", content.size - 4) else None


def orc_type(content: Content) -> str | None:
    """Return the type of an ORC file, which begins with "ORC" and ends with "ORC" and one byte.

    While the size of the file is unknown, the beginning decides.
    """
    if content.size is None:
        return "application/x-orc"
    return "application/x-orc" if content.holds(b"ORC", content.size - 4) else None


def der_type(content: Content) -> str | None:
    """Return the type of a DER certificate, key store or signed message.

    The length that the header declares must be the size of the file, if the size is known.
    """
    head = content.head
    if len(head) < 8 or head[1] & 0x80 == 0 or not 1 <= head[1] & 0x7F <= 4:
        return None
    inner = 2 + (head[1] & 0x7F)
    size = inner + int.from_bytes(head[2:inner], "big")
    if content.size not in {None, size}:
        return None
    for pattern, media_type in _DER:
        if pattern.match(head, inner):
            return media_type
    return None


def flv_type(content: Content) -> str | None:
    """Return "video/x-flv" for a header of nine bytes in which only the two known flags are set."""
    head = content.head
    fits = len(head) > 8 and not head[4] & 0xFA and head[5:9] == b"\0\0\0\x09"
    return "video/x-flv" if fits else None


def python_type(content: Content) -> str | None:
    """Return the type of compiled Python: a magic number of Python 3 and known flags."""
    head = content.head
    number, flags = int.from_bytes(head[:2], "little"), int.from_bytes(head[4:8], "little")
    fits = number in _PYTHON_3 and flags < 4 and len(head) > 16
    return "application/x-python-bytecode" if fits else None


def old_tar_type(content: Content) -> str | None:
    """Return the type of a pre-POSIX tar archive with a correct header checksum."""
    head = content.head
    found = _TAR_CHECKSUM.match(head, 148)
    if not found or len(head) < 512 or not head[0]:
        return None
    total = sum(head[:148]) + 8 * 0x20 + sum(head[156:512])
    return "application/x-tar" if total == int(found[1], 8) else None


def by_end_or_size(content: Content) -> str | None:
    """Return the type of a disk image, an STL mesh or a Targa picture, None for other bytes.

    These files have no signature at their beginning.
    """
    found = content.numbers(_STL, 0)
    if found is not None and found[0] and content.size == 84 + 50 * found[0]:
        return "model/stl"
    if content.holds(b"CD001", 0x8001):
        return "application/x-iso9660-image"
    if content.size is None:
        return None
    if _is_apple_disk(content):
        return _APPLE_DISK
    if content.holds(b"conectix", content.size - 512):
        return "application/x-vhd-disk"
    new = content.holds(b"TRUEVISION-XFILE.\0", content.size - 18)
    return "image/x-tga" if new or content.size == _old_tga_bytes(content) else None


def _is_apple_disk(content: Content) -> bool:
    """Tell whether a file ends like an Apple disk image."""
    return content.size is not None and content.holds(b"koly", content.size - 512)


def _old_tga_bytes(content: Content) -> int | None:
    """Return the size in bytes of an uncompressed Targa picture without an end mark.

    Return None if the header is not valid.
    """
    found = content.numbers(_TGA, 0)
    if found is None:
        return None
    text, has_map, kind, colours, map_depth, width, height, depth = found
    if has_map != (kind == 1) or kind not in {1, 2, 3} or depth not in {8, 15, 16, 24, 32}:
        return None
    in_map = colours * ((map_depth + 7) // 8) if has_map else 0
    pixels: int = width * height * ((depth + 7) // 8)
    return 18 + text + in_map + pixels if pixels else None
