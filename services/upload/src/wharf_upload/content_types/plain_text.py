"""Detection of text in Unicode and in older encodings, and of formats that consist of text."""

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

# WHATWG "binary data byte": a byte that no text contains whose characters are single bytes.
# `translate` is the fastest check of the whole head. The regex is the fastest check of the first
# bytes, which most binary formats fail.
_BINARY_BYTES: Final = bytes(set(range(0x20)) - set(b"\t\n\f\r\x1b"))
_BINARY = re.compile(b"[" + re.escape(_BINARY_BYTES) + b"]")
_EARLY_BYTES: Final = 64
_END_OF_DOS_TEXT: Final = b"\x1a"
# Formats that may be entirely printable. Their signatures are long enough to be reliable.
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
# A short Zstandard file may contain no control byte, and is not text in any encoding.
_ZSTANDARD: Final = b"\x28\xb5\x2f\xfd"
_BOMS: Final = (  # UTF-32 first: its little-endian mark begins with the mark of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MARKS: Final = tuple(mark for mark, _ in _BOMS)
_PDF_WINDOW_BYTES: Final = 1024
_PDF_HEADER = re.compile(rb"%PDF-[0-9]\.[0-9]")
# ISO-2022-JP and similar encodings switch between character sets by ASCII escape sequences.
_SWITCH = re.compile(rb"\x1b[$(]")
_CHUNK_BYTES: Final = 1 << 20
_MOST_CHECKED_BYTES: Final = 64 << 20


def has_binary(head: bytes) -> bool:
    """Tell whether `head` contains one of the control bytes in `_BINARY_BYTES`.

    Only texts in UTF-16 or UTF-32 contain such bytes, and a DOS text may end with one (0x1A).
    """
    if _BINARY.search(head, 0, _EARLY_BYTES):
        return True
    return len(head.translate(None, _BINARY_BYTES)) != len(head)


def text_type(head: bytes, *, complete: bool, size: int | None = None) -> str:
    """Return the type of a head that contains no binary byte.

    Short signatures such as "BM", "MZ" and "GIF" do not count, because words of a text may begin
    with them. `size` is the size of a file that is not `complete`, if it is known.
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
    """Return the type of a complete text that ends with the DOS end mark, None for other bytes."""
    if head.endswith(_END_OF_DOS_TEXT) and not has_binary(head[:-1]):
        return text_type(head[:-1], complete=True)
    return None


def wide_text_type(head: bytes) -> str | None:
    """Return the type of UTF-16 or UTF-32 text with a byte order mark, None for other bytes."""
    if not head.startswith(_MARKS):
        return None
    encoding = next(encoding for mark, encoding in _BOMS if head.startswith(mark))
    try:
        # An incremental decoder accepts a character that is cut at the end of the head. Sound may
        # begin with the mark too, but it soon contains half a surrogate pair.
        text = codecs.getincrementaldecoder(encoding)().decode(head).encode("utf-8")
    except UnicodeError:
        return None
    # No other format is written in UTF-16 or UTF-32.
    return None if has_binary(text) else markup_type(text) or TEXT


def has_pdf_header(head: bytes) -> bool:
    """Tell whether a PDF begins within the first 1,024 bytes; PDF readers accept such files."""
    return _PDF_HEADER.search(head, 0, _PDF_WINDOW_BYTES) is not None


def is_utf8(data: bytes, *, complete: bool) -> bool:
    """Tell whether bytes are UTF-8; the last character may be cut unless they are `complete`."""
    if data.isascii():
        return True
    try:
        codecs.utf_8_decode(data, "strict", complete)
    except UnicodeDecodeError:
        return False
    return True


def is_known_utf8(data: bytes) -> bool:
    """Tell whether a complete text is UTF-8 (or ASCII) without ISO-2022 escape sequences."""
    return is_utf8(data, complete=True) and not _has_switch(data)


def _has_switch(data: bytes) -> bool:
    # Almost no text contains an escape byte, and `in` is much faster than the regex.
    return b"\x1b" in data and _SWITCH.search(data) is not None


def is_utf8_throughout(size: int, read_at: ReadAt) -> bool:
    """Tell whether the first 64 MiB of a text are UTF-8 (or ASCII) without ISO-2022 escapes.

    `size` is the size of the text in bytes.
    """
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
