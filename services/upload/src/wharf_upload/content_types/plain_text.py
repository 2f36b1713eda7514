"""Text, in Unicode and in the encodings from before it, and formats that are text to the eye."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Final

from wharf_upload.content_types.content import Content, ReadAt
from wharf_upload.content_types.markup import markup_type
from wharf_upload.content_types.other_evidence import bzip2_type, printable_map_type

TEXT: Final = "text/plain"
PDF: Final = "application/pdf"

# WHATWG "binary data byte": what no text holds. Translating is the fastest way over the whole head,
# the expression over its beginning, where most binary formats give themselves away.
_BINARY_BYTES: Final = bytes(set(range(0x20)) - set(b"\t\n\f\r\x1b"))
_BINARY = re.compile(b"[" + re.escape(_BINARY_BYTES) + b"]")
_EARLY_BYTES: Final = 64
_END_OF_DOS_TEXT: Final = b"\x1a"
# Formats whose files may be all printable and whose signature is long enough to be believed.
_WORDS: Final[dict[bytes, tuple[tuple[bytes, str], ...]]] = {
    b"%": (
        (b"%PDF-", PDF),
        (b"%FDF-", "application/vnd.fdf"),
        (b"%!PS-AdobeFont", "application/x-font-type1"),
        (b"%!FontType1", "application/x-font-type1"),
        (b"%!PS", "application/postscript"),
    ),
    b"{": ((b"{\\rtf", "application/rtf"),),
    b"!": (
        (b"!<arch>\ndebian-binary", "application/vnd.debian.binary-package"),
        (b"!<arch>\n", "application/x-unix-archive"),
    ),
    b"#": (
        (b"#!AMR\n", "audio/amr"),
        (b"#!AMR-WB\n", "audio/amr-wb"),
        (b"#?RADIANCE\n", "image/vnd.radiance"),
        (b"#!", "text/x-script"),
    ),
    b"W": ((b"WARC/1.", "application/warc"),),
    b"S": ((b"SIMPLE  =                    T", "application/fits"),),
    b"Y": ((b"YUV4MPEG2 W", "video/x-yuv4mpeg"),),
    b"p": ((b"ply\nformat ", "model/ply"), (b"ply\r\nformat ", "model/ply")),
}
_PATTERNS: Final[dict[bytes, Callable[[Content], str | None]]] = {
    b"P": printable_map_type,
    b"B": bzip2_type,
}
# What may hold no control byte and is no text in any encoding.
_ZSTANDARD: Final = b"\x28\xb5\x2f\xfd"
_BOMS: Final = (  # UTF-32 first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MARKS: Final = tuple(mark for mark, _ in _BOMS)
_PDF_WINDOW_BYTES: Final = 1024
_PDF_HEADER = re.compile(rb"%PDF-[0-9]\.[0-9]")
# ISO-2022-JP and its kin switch between sets of characters by escape sequences, in ASCII.
_SWITCH = re.compile(rb"\x1b[$(]")
_CHUNK_BYTES: Final = 1 << 20
_MOST_CHECKED_BYTES: Final = 64 << 20


def has_binary(head: bytes) -> bool:
    """Tell whether `head` holds a byte that no text holds."""
    if _BINARY.search(head, 0, _EARLY_BYTES):
        return True
    return len(head.translate(None, _BINARY_BYTES)) != len(head)


def text_type(head: bytes, *, complete: bool, size: int | None = None) -> str:
    """Return the type of bytes among which is none that no text holds.

    They are text whatever they begin with: "BM", "MZ" and "GIF" are also how words begin, in any
    encoding. `size` is that of a file that is not `complete`, if it is known.
    """
    if head.startswith(codecs.BOM_UTF8):
        head = head.removeprefix(codecs.BOM_UTF8)
    elif head.startswith(_ZSTANDARD) and not is_utf8(head, complete=complete):
        return "application/zstd"
    if complete:
        size = len(head)
    first = head[:1]
    for word, media_type in _WORDS.get(first, ()):
        if head.startswith(word):
            return media_type
    if first in _PATTERNS and (found := _PATTERNS[first](Content(head, size))) is not None:
        return found
    return markup_type(head) or (PDF if has_pdf_header(head) else TEXT)


def dos_text_type(head: bytes) -> str | None:
    """Return the type of a whole text that ends as DOS ends texts; None for other bytes."""
    if head.endswith(_END_OF_DOS_TEXT) and not has_binary(head[:-1]):
        return text_type(head[:-1], complete=True)
    return None


def wide_text_type(head: bytes) -> str | None:
    """Return the type of text in UTF-16 or UTF-32 with a byte order mark; None when it is none."""
    if not head.startswith(_MARKS):
        return None
    encoding = next(encoding for mark, encoding in _BOMS if head.startswith(mark))
    try:
        # A decoder that waits for more: a character may be cut. Sound may begin with the mark, and
        # has halves of characters soon.
        text = codecs.getincrementaldecoder(encoding)().decode(head).encode("utf-8")
    except UnicodeError:
        return None
    # No other format is written so.
    return None if has_binary(text) else markup_type(text) or TEXT


def has_pdf_header(head: bytes) -> bool:
    """Tell whether a PDF begins within the first 1,024 bytes, as its readers accept it."""
    return _PDF_HEADER.search(head, 0, _PDF_WINDOW_BYTES) is not None


def is_utf8(data: bytes, *, complete: bool) -> bool:
    """Tell whether bytes are UTF-8; unless they are `complete`, the last character may be cut."""
    if data.isascii():
        return True
    try:
        codecs.utf_8_decode(data, "strict", complete)
    except UnicodeDecodeError:
        return False
    return True


def is_known_utf8(data: bytes) -> bool:
    """Tell whether a whole text is known to be UTF-8, which ASCII is, too."""
    return is_utf8(data, complete=True) and not _has_switch(data)


def _has_switch(data: bytes) -> bool:
    # Almost no text has the one byte, which is searched much faster than the expression.
    return b"\x1b" in data and _SWITCH.search(data) is not None


def is_utf8_throughout(size: int, read_at: ReadAt) -> bool:
    """Tell whether a text of `size` bytes is known to be UTF-8; its first 64 MiB are read."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    end = min(size, _MOST_CHECKED_BYTES)
    pending = False
    for offset in range(0, end, _CHUNK_BYTES):
        data = read_at(offset, min(_CHUNK_BYTES, end - offset))
        if _has_switch(data):
            return False
        if pending or not data.isascii():
            try:
                pending = True
                decode(data, offset + len(data) >= size)
            except UnicodeDecodeError:
                return False
    return True
