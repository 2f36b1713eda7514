"""What a ZIP file is, by the names in its central directory, as unpackers read it (APPNOTE 4.3).

Nothing is expanded (security.md row 33): names are read, and the type that EPUB and OpenDocument
store as they are. How much is read is bounded, whatever the file says of itself.
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
_LOCAL: Final = struct.Struct("<4s2xHH8xL4xHH")  # flags, method, packed size, name, extra field
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

# Types that ZIP files state of themselves, in an entry `mimetype` that is not compressed; those of
# them that files are known to have count.
_STATED: Final = re.compile(
    rb"application/(?:epub\+zip|x-krita|vnd\.recordare\.musicxml"
    rb"|vnd\.(?:oasis\.opendocument|sun\.xml)\.[a-z0-9.-]{1,60})|image/openraster"
)
# Each entry decides, in this order; an Office file needs its list of content types beside it.
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
    """An entry as a directory has it."""

    name: str
    method: int
    size: int
    header: int


def zip_type(content: Content) -> str:
    """Return the media type of a ZIP file; "application/zip" when it is no other format's.

    While the directory cannot be read, because the file is still coming or is broken, the entries
    at its begin decide.
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
    """Return which of `_OFFICE` a name is the first to begin with."""
    return next(place for place, start in enumerate(_OFFICE_STARTS) if name.startswith(start))


def _stated(content: Content, entry: _Entry) -> str | None:
    """Return the type that the file states of itself, when it is one that ZIP files have."""
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
    """Return the entries of the central directory, none where it cannot be found."""
    end = _end_record(content)
    if end is None:
        return
    position, size, offset = end
    # Where something stands before the archive, all offsets are too small by its length.
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
    """Return a name as it is meant; those that decide are ASCII, which code page 437 has, too."""
    # Some writers on Windows part folders by what parts them there.
    return text.decode("cp437").replace("\\", "/")


def _end_record(content: Content) -> tuple[int, int, int] | None:
    """Return where the directory's end record stands, and the directory's size and offset."""
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
        # A comment may hold the signature; the record's own comment ends where the file does.
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
    """Return the entries whose local headers lie in `head`."""
    position = 0
    for _ in range(_MOST_LOCAL_ENTRIES):
        header = head[position : position + _LOCAL.size]
        if len(header) < _LOCAL.size or not header.startswith(LOCAL_HEADER):
            return
        _, flags, method, size, name, extra = _LOCAL.unpack(header)
        content = position + _LOCAL.size + name + extra
        text = head[position + _LOCAL.size : position + _LOCAL.size + name]
        yield _Entry(_name(text), method, size, position)
        # Written as a stream (bit 3), the size follows the content: the next header is searched.
        position = head.find(LOCAL_HEADER, content) if flags & 0x08 else content + size
        if position < 0:
            return
