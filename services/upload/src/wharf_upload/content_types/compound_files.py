"""Types of OLE2 compound files, found from the names in the root directory (MS-CFB 2.6).

The directory is a chain of sectors that may be anywhere in the file. The number of sectors that
the parser follows is bounded, even if the file declares more.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from wharf_upload.content_types.content import Content

OLE: Final = "application/x-ole-storage"
SIGNATURE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_HEADER: Final = struct.Struct("<22xH16xL")  # log2 of the sector size, first directory sector
_SECTOR_SHIFTS: Final = (9, 12)
_DIFAT_OFFSET: Final = 76
_DIFAT_ENTRIES: Final = 109
_NUMBER: Final = struct.Struct("<L")
_ENTRY: Final = struct.Struct("<64sHBxLLL16s")  # name, name size, type, left, right, child, class
_ENTRY_BYTES: Final = 128
_LAST_SECTOR: Final = 0xFFFFFFFA  # larger numbers are markers, not sectors
_MOST_SECTORS: Final = 256
_MOST_ENTRIES: Final = 1024
_ROOT: Final = 5

# Names in the root, the most specific first. Embedded objects keep their streams in storages below
# the root, so their names do not interfere.
_NAMES: Final = (
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("PP40", "application/vnd.ms-powerpoint"),
    ("VisioDocument", "application/vnd.visio"),
    ("__properties_version1.0", "application/vnd.ms-outlook"),
    ("__nameid_version1.0", "application/vnd.ms-outlook"),
    ("Quill", "application/vnd.ms-publisher"),
    ("Props12", "application/vnd.ms-project"),
    ("Props9", "application/vnd.ms-project"),
    ("Props14", "application/vnd.ms-project"),
    ("\x05HwpSummaryInformation", "application/x-hwp"),
    ("MatOST", "application/vnd.ms-works"),
    ("WksSSWorkBook", "application/vnd.ms-works"),
    ("StarWriterDocument", "application/vnd.stardivision.writer"),
    ("StarCalcDocument", "application/vnd.stardivision.calc"),
    ("StarDrawDocument3", "application/vnd.stardivision.draw"),
)
# Class ids of the root: {000C1084-…-46} is an installer database, …86… a patch, …82… a transform.
_INSTALLER: Final = "application/x-msi"
_CLASSES: Final = {
    bytes.fromhex(f"{number}100c0000000000c000000000000046"): _INSTALLER
    for number in ("84", "86", "82")
}


class _Entry(NamedTuple):
    """An entry of the directory; `left`, `right` and `child` are the numbers of other entries."""

    name: str
    left: int
    right: int
    child: int
    class_id: bytes


def ole_type(content: Content) -> str:
    """Return the media type of a compound file, or the general OLE2 type if no name is known.

    An encrypted Word, Excel or PowerPoint file gets the general type, because its actual type is
    inside the encrypted part.
    """
    entries = _directory(content)
    if not entries:
        return OLE
    found = _CLASSES.get(entries[0].class_id)
    if found is not None:
        return found
    names = _names_in_root(entries)
    for name, media_type in _NAMES:
        if name in names:
            return media_type
    return OLE


def _names_in_root(entries: list[_Entry]) -> set[str]:
    """Return the names of the root's direct children, which form a tree of entries."""
    names: set[str] = set()
    seen: set[int] = set()
    waiting = [entries[0].child]
    while waiting:
        number = waiting.pop()
        if number in seen or number >= len(entries):
            continue
        seen.add(number)
        entry = entries[number]
        names.add(entry.name)
        waiting += (entry.left, entry.right)
    return names


def _directory(content: Content) -> list[_Entry]:
    """Return the readable entries of the directory; the first one is the root."""
    header = content.numbers(_HEADER, 8)
    if header is None or header[0] not in _SECTOR_SHIFTS:
        return []
    sector_bytes, sector = 1 << header[0], header[1]
    entries: list[_Entry] = []
    seen: set[int] = set()
    while sector < _LAST_SECTOR and sector not in seen and len(seen) < _MOST_SECTORS:
        if len(entries) >= _MOST_ENTRIES:
            break
        seen.add(sector)
        data = content.read((sector + 1) * sector_bytes, sector_bytes)
        entries += _entries(data)
        sector = _next_sector(content, sector, sector_bytes)
    return entries


def _entries(data: bytes) -> list[_Entry]:
    found = []
    for at in range(0, len(data) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
        name, length, kind, left, right, child, class_id = _ENTRY.unpack_from(data, at)
        text = name[: max(0, min(length, 64) - 2)].decode("utf-16-le", errors="replace")
        none = 0xFFFFFFFF
        found.append(_Entry(text, left, right, child if kind == _ROOT else none, class_id))
    return found


def _next_sector(content: Content, sector: int, sector_bytes: int) -> int:
    """Return the next sector of a chain, read from the allocation table."""
    table, place = divmod(sector, sector_bytes // 4)
    if table >= _DIFAT_ENTRIES:
        return _LAST_SECTOR  # the table is listed outside the header, where this parser stops
    listed = content.numbers(_NUMBER, _DIFAT_OFFSET + 4 * table)
    if listed is None or listed[0] >= _LAST_SECTOR:
        return _LAST_SECTOR
    following = content.numbers(_NUMBER, (listed[0] + 1) * sector_bytes + 4 * place)
    return _LAST_SECTOR if following is None else following[0]
