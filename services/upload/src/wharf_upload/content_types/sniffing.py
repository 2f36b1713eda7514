"""The media type of a file, from its first bytes and nothing else.

The `filetype` package knows the signatures of binary formats. What has none is told here: text,
HTML, XML and SVG (after the WHATWG MIME Sniffing standard, section 7), scripts, PDF behind junk;
`containers` looks into ZIP, OLE2 and ISO media files. See docs/adr/0005-type-sniffing.md.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from filetype.types import TYPES, Type

from wharf_upload.content_types import containers
from wharf_upload.content_types.media_types import (
    INLINE_TYPES,
    extension_agrees,
    is_pattern,
    matches,
)

__all__ = [
    "HEAD_BYTES",
    "INLINE_TYPES",
    "active_content",
    "extension_agrees",
    "is_pattern",
    "matches",
    "sniff",
]

#: How many bytes of a file `sniff` and `active_content` want to see.
HEAD_BYTES: Final = 8192

_UNKNOWN: Final = "application/octet-stream"
_TEXT: Final = "text/plain"
_HTML: Final = "text/html"
_PDF: Final = "application/pdf"

# The library's names that IANA (or every browser) spells differently.
_CANONICAL: Final = {
    "audio/x-flac": "audio/flac",
    "audio/x-wav": "audio/wav",
    "audio/x-aiff": "audio/aiff",
    "image/jpx": "image/jp2",
    "application/x-rar-compressed": "application/vnd.rar",
    "application/x-deb": "application/vnd.debian.binary-package",
}
_BY_EXTENSION: Final = {  # one type of the library stands for several
    "eot": "application/vnd.ms-fontobject",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "ttf": "font/ttf",
    "otf": "font/otf",
}
# Left to `containers`, or (APNG) served as what its name says: a PNG that moves.
_SKIPPED: Final = frozenset(
    {"docx", "xlsx", "pptx", "odt", "ods", "odp", "doc", "xls", "ppt", "epub", "apng"}
    | {"heic", "avif", "mp4", "m4v", "m4a", "mov", "3gp"}
    | {"zst"}  # it calls itself for every skippable frame: 8 KiB of them exhaust the stack
)
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")  # RFC 8878 section 3.1
# Photographs and pages are most of what is uploaded. TAR stands before the two-letter signatures
# that the name of its first entry could imitate.
_FIRST: Final = ("jpg", "png", "gif", "webp", "pdf", "zip", "gz", "tar", "mp3", "ogg", "wav")


def _ranked() -> tuple[Type, ...]:
    kept = [kind for kind in TYPES if kind.extension not in _SKIPPED]
    rank = {extension: place for place, extension in enumerate(_FIRST)}
    return tuple(sorted(kept, key=lambda kind: rank.get(kind.extension, len(rank))))


_MATCHERS: Final = tuple(
    (kind.match, _BY_EXTENSION.get(kind.extension) or _CANONICAL.get(kind.mime, kind.mime))
    for kind in _ranked()
)

# WHATWG "binary data byte": what no text holds. Translating is the fastest way over the whole head,
# the expression over its beginning, where most binary formats give themselves away.
_BINARY_BYTES: Final = bytes(set(range(0x20)) - set(b"\t\n\f\r\x1b"))
_BINARY = re.compile(b"[" + re.escape(_BINARY_BYTES) + b"]")
_EARLY_BYTES: Final = 64
# Formats whose files may be all printable and whose signature is long enough to be believed.
_PRINTABLE_SIGNATURES: Final = (
    (b"%PDF-", _PDF),
    (b"{\\rtf", "application/rtf"),
    (b"%!PS-Adobe", "application/postscript"),
    (b"!<arch>\ndebian-binary", "application/vnd.debian.binary-package"),
    (b"#!AMR\n", "audio/amr"),
)
_BOMS: Final = (  # UTF-32 first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PDF_WINDOW_BYTES: Final = 1024
_PDF_HEADER = re.compile(rb"%PDF-[0-9]\.[0-9]")

# Section 7.1: what makes HTML of a resource that begins with it, after white space.
_HTML_START = re.compile(
    rb"<(?:!doctype[ \t\n\f\r]+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body"
    rb"|br|p)[ \t\n\f\r/>]|<!--",
    re.IGNORECASE,
)
_SPACE: Final = b"\t\n\f\r "
# White space, comments, processing instructions and a document type: what may stand before a root
# element. Possessive: an unclosed comment costs one pass.
_PROLOG = re.compile(
    rb"(?:[ \t\r\n]++|<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>\[]*+(?:>|\[.*?\]\s*+>))*+", re.DOTALL
)
# Or a document type that the head does not hold to its end.
_SVG_ROOT = re.compile(
    rb"<(?:!DOCTYPE[ \t\r\n]{1,64})?(?:[A-Za-z_][\w.-]{0,63}:)?svg[ \t\r\n/>\[]", re.IGNORECASE
)
_XHTML_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,63}:)?html[ \t\r\n/>]")

# What makes a browser, a PDF reader or an unpacker act on a file that calls itself a picture. Each
# begins with a literal byte, which the expression engine searches quickly; among random bytes there
# are many of it, and a look at the next one spares trying all names.
_ACTIVE_MARKUP = re.compile(
    rb"<(?=[SHBIOEMFshbioemf!?])(?i:script|html|svg|!doctype|!entity|body|head|iframe|object|embed|img|meta|form|\?php)"
)
_ACTIVE_PDF = re.compile(rb"%(?i:pdf-)")
# `in` takes twice as long for so short a word in bytes that hold no text.
_ACTIVE_ZIP = re.compile(re.escape(containers.ZIP_SIGNATURE))
# A picture that is also JavaScript: its first bytes open a comment or an assignment.
_SCRIPTED_IMAGE = re.compile(
    rb"(?:GIF8[79]a|BM|RIFF)(?:/[*/])|GIF8[79]a\s*=[\t-\r -~]|\xff\xd8\xff\xe0/[*/]", re.DOTALL
)


def sniff(head: bytes, *, complete: bool) -> str:
    """Return the media type of the file that begins with `head` (its first `HEAD_BYTES` bytes).

    `complete` says that `head` is the whole file, so that a UTF-8 sequence cut at its end is an
    error rather than a consequence of the cut. Text is "text/plain" whatever its syntax; unknown
    and empty files are "application/octet-stream". Never raises.
    """
    if not head:
        return _UNKNOWN
    if not _has_binary(head):
        # Before the signatures: "BM", "MZ" and "GIF" are also how words begin.
        if _is_utf8(head, complete=complete):
            return _textual(head.removeprefix(codecs.BOM_UTF8))
    elif head.startswith(containers.ZIP_SIGNATURE):
        return containers.zip_type(head)
    elif head.startswith(containers.OLE_SIGNATURE):
        return containers.ole_type(head)
    return _binary(head)


def active_content(head: bytes) -> bool:
    """Tell whether `head` holds what could act if the file were taken for something else.

    Meant for types in `INLINE_TYPES`: true means that the file is served as an attachment only
    (security.md row 31). Looks at the bytes given, not at the rest of the file.
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.replace(b"\0", b"")
    return bool(
        _ACTIVE_MARKUP.search(head)
        or _ACTIVE_PDF.search(head)
        or _ACTIVE_ZIP.search(head)
        or _SCRIPTED_IMAGE.match(head)
    )


def _has_binary(head: bytes) -> bool:
    if _BINARY.search(head, 0, _EARLY_BYTES):
        return True
    return len(head.translate(None, _BINARY_BYTES)) != len(head)


def _is_utf8(head: bytes, *, complete: bool) -> bool:
    try:
        codecs.utf_8_decode(head, "strict", complete)
    except UnicodeDecodeError:
        return False
    return True


def _textual(head: bytes) -> str:
    """Return the type of text, a byte order mark already removed."""
    for signature, media_type in _PRINTABLE_SIGNATURES:
        if head.startswith(signature):
            return media_type
    markup = _markup(head)
    if markup is not None:
        return markup
    if _PDF_HEADER.search(head, 0, _PDF_WINDOW_BYTES):
        return _PDF
    return "text/x-script" if head.startswith(b"#!") else _TEXT


def _markup(head: bytes) -> str | None:
    """Return the type of HTML, XHTML, SVG or XML; None when `head` begins like none of them."""
    start = len(head) - len(head.lstrip(_SPACE))
    if head[start : start + 1] != b"<":
        return None
    prolog = _PROLOG.match(head, start)
    root = start if prolog is None else prolog.end()
    if _SVG_ROOT.match(head, root):
        return "image/svg+xml"
    declared = head[start : start + 5].lower() == b"<?xml"
    if declared:
        return "application/xhtml+xml" if _XHTML_ROOT.match(head, root) else "application/xml"
    if _HTML_START.match(head, start) or _HTML_START.match(head, root):
        return _HTML
    # Any other document type: its root may lie behind the head, so it is not called plain text.
    return "application/xml" if head[start : start + 9].upper() == b"<!DOCTYPE" else None


def _binary(head: bytes) -> str:
    """Return the type of bytes that are not UTF-8 text."""
    media = containers.isobmff_type(head)
    if media is not None:
        return media
    for match, media_type in _MATCHERS:
        if match(head):
            return media_type
    if _ZSTD.match(head):
        return "application/zstd"
    return (
        _wide_text(head)
        or _markup(head)  # browsers take it for HTML, stray control bytes or not
        or (_PDF if _PDF_HEADER.search(head, 0, _PDF_WINDOW_BYTES) else _UNKNOWN)
    )


def _wide_text(head: bytes) -> str | None:
    """Return the type of text in UTF-16 or UTF-32 with a byte order mark; None when it is none."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            text = head.decode(encoding, errors="replace").encode("utf-8", errors="replace")
            return None if _has_binary(text) else _textual(text)
    return None
