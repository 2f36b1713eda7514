"""Types of ZIP files, found from the names in the central directory (APPNOTE 4.3).

The parser expands nothing (security.md row 33). The parser reads names, and the entry `mimetype`
that EPUB and OpenDocument store without compression. The number of bytes that the parser reads is
bounded, even if the file declares a larger size.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from servicekit.file_types import FILE_TYPES
from wharf_upload.content_types.content import Content

ZIP: Final = "application/zip"
LOCAL_HEADER: Final = b"PK\x03\x04"
_ENTRY: Final = b"PK\x01\x02"
_END_RECORD: Final = b"PK\x05\x06"

_OOXML: Final = "application/vnd.openxmlformats-officedocument."
_LOCAL: Final = struct.Struct("<4s2xHH8xL4xHH")  # flags, method, packed size, name, extra
_CENTRAL: Final = struct.Struct("<4s6xH8xLLHHH8xL")  # method, sizes, name, extra, comment, offset
_END: Final = struct.Struct("<4s8xLLH")  # size and offset of the directory, comment
_END64: Final = struct.Struct("<4s36xQQ")
_LOCATOR64: Final = struct.Struct("<4s4xQ4x")
_LARGEST_COMMENT_BYTES: Final = 0xFFFF
_MOST_DIRECTORY_BYTES: Final = 1 << 20
_MOST_ENTRIES: Final = 8192
_MOST_LOCAL_ENTRIES: Final = 64
_MOST_TYPE_BYTES: Final = 100
_STORED: Final = 0

# Types that an uncompressed entry `mimetype` may state. A stated type counts only if it is also in
# `FILE_TYPES`.
_STATED: Final = re.compile(
    rb"application/(?:epub\+zip|x-krita|vnd\.recordare\.musicxml"
    rb"|vnd\.(?:oasis\.opendocument|sun\.xml)\.[a-z0-9.-]{1,60})|image/openraster"
)
# The first match decides. An Office file must also contain one of `_OFFICE_MARKS`.
_OFFICE: Final = (
    ("word/document", _OOXML + "wordprocessingml.document"),
    ("xl/workbook", _OOXML + "spreadsheetml.sheet"),
    ("ppt/presentation", _OOXML + "presentationml.presentation"),
    ("visio/document", "application/vnd.ms-visio.drawing"),
    ("word/", _OOXML + "wordprocessingml.document"),
    ("xl/", _OOXML + "spreadsheetml.sheet"),
    ("ppt/", _OOXML + "presentationml.presentation"),
    ("visio/", "application/vnd.ms-visio.drawing"),
    ("3D/", "model/3mf"),
    ("FixedDocumentSequence.fdseq", "application/oxps"),
    ("FixedDocSeq.fdseq", "application/vnd.ms-xpsdocument"),
)
_OFFICE_STARTS: Final = tuple(start for start, _ in _OFFICE)
_OFFICE_MARKS: Final = ("[Content_Types].xml", "_rels/", "docProps/")
_OTHERS: Final = (
    ("AndroidManifest.xml", "application/vnd.android.package-archive"),
    ("META-INF/mozilla.rsa", "application/x-xpinstall"),
    ("META-INF/MANIFEST.MF", "application/java-archive"),
    ("doc.kml", "application/vnd.google-earth.kmz"),
)
_EPUB_MARK: Final = "META-INF/container.xml"
_USD: Final = (".usdc", ".usda", ".usd")


class _Entry(NamedTuple):
    """An entry of a directory; `header` is the offset of its local header."""

    name: str
    method: int
    size: int
    header: int


def zip_type(content: Content) -> str:
    """Return the media type of a ZIP file, "application/zip" if no other format matches.

    If the directory cannot be read, because the file is incomplete or broken, the entries at the
    beginning of the file decide.
    """
    entries = tuple(_directory(content)) or tuple(_local_entries(content.head))
    for entry in entries:
        if entry.name == "mimetype" and entry.method == _STORED:
            stated = _stated(content, entry)
            if stated is not None:
                return stated
    return _by_names([entry.name for entry in entries])


def _by_names(names: list[str]) -> str:
    inside = {name for name in names if name.startswith(_OFFICE_STARTS)}
    if inside and any(name.startswith(_OFFICE_MARKS) for name in names):
        return _OFFICE[min(map(_office_place, inside))][1]
    present = frozenset(names)
    if _EPUB_MARK in present and any(name.endswith(".opf") for name in names):
        return "application/epub+zip"
    for name, media_type in _OTHERS:
        if name in present:
            return media_type
    if any(name.endswith(".class") for name in names):
        return "application/java-archive"
    return "model/vnd.usdz+zip" if names and names[0].endswith(_USD) else ZIP


def _office_place(name: str) -> int:
    """Return the index of the first start in `_OFFICE` that a name begins with."""
    return next(place for place, start in enumerate(_OFFICE_STARTS) if name.startswith(start))


def _stated(content: Content, entry: _Entry) -> str | None:
    """Return the type that the entry `mimetype` states, or None if it is not a known type."""
    header = content.numbers(_LOCAL, entry.header)
    if header is None or header[0] != LOCAL_HEADER:
        return None
    text = content.read(
        entry.header + _LOCAL.size + header[4] + header[5], min(entry.size, _MOST_TYPE_BYTES)
    )
    found = _STATED.fullmatch(text.strip())
    stated = found.group().decode("ascii") if found else ""
    return stated if stated in FILE_TYPES else None


def _directory(content: Content) -> Iterator[_Entry]:
    """Yield the entries of the central directory, none if the directory is not found."""
    end = _end_record(content)
    if end is None:
        return
    position, size, offset = end
    # If other data precedes the archive, all offsets are too small by the length of that data.
    shift = 0 if content.holds(_ENTRY, offset) else max(0, position - size - offset)
    data = content.read(offset + shift, min(size, _MOST_DIRECTORY_BYTES))
    at = 0
    for _ in range(_MOST_ENTRIES):
        if at + _CENTRAL.size > len(data):
            return
        found = _CENTRAL.unpack_from(data, at)
        signature, method, _packed, length, name, extra, comment, header = found
        if signature != _ENTRY:
            return
        at += _CENTRAL.size
        yield _Entry(_name(data[at : at + name]), method, length, header + shift)
        at += name + extra + comment


def _name(text: bytes) -> str:
    """Return a name as text; the names that decide are ASCII, which code page 437 contains."""
    # Some writers on Windows separate folders by a backslash.
    return text.decode("cp437").replace("\\", "/")


def _end_record(content: Content) -> tuple[int, int, int] | None:
    """Return the offset of the end record, and the size and offset of the directory, or None."""
    if content.size is None or content.end < content.size:
        return None
    last = content.read(content.size - _END.size, _END.size)
    if last.startswith(_END_RECORD) and last.endswith(b"\0\0"):
        return _with_zip64(content, content.size - _END.size, last)
    start = max(0, content.size - _END.size - _LARGEST_COMMENT_BYTES)
    tail = content.read(start, content.size - start)
    at = tail.rfind(_END_RECORD)
    while at >= 0:
        record = tail[at : at + _END.size]
        # A comment may contain the signature. The comment of the right record ends with the file.
        if len(record) == _END.size and at + _END.size + _END.unpack(record)[3] == len(tail):
            return _with_zip64(content, start + at, record)
        at = tail.rfind(_END_RECORD, 0, at)
    return None


def _with_zip64(content: Content, position: int, record: bytes) -> tuple[int, int, int]:
    _, size, offset, _ = _END.unpack(record)
    locator = content.numbers(_LOCATOR64, position - _LOCATOR64.size)
    if locator is not None and locator[0] == b"PK\x06\x07":
        found = content.numbers(_END64, locator[1])
        if found is not None and found[0] == b"PK\x06\x06":
            return locator[1], found[1], found[2]
    return position, size, offset


def _local_entries(head: bytes) -> Iterator[_Entry]:
    """Yield the entries whose local headers are in `head`."""
    position = 0
    for _ in range(_MOST_LOCAL_ENTRIES):
        header = head[position : position + _LOCAL.size]
        if len(header) < _LOCAL.size or not header.startswith(LOCAL_HEADER):
            return
        _, flags, method, size, name, extra = _LOCAL.unpack(header)
        content = position + _LOCAL.size + name + extra
        text = head[position + _LOCAL.size : position + _LOCAL.size + name]
        yield _Entry(_name(text), method, size, position)
        # In a streamed entry (bit 3) the size follows the content, so search for the next header.
        position = head.find(LOCAL_HEADER, content) if flags & 0x08 else content + size
        if position < 0:
            return
