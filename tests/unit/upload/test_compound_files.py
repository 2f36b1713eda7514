"""Tests of OLE2 files, whose type follows from the names in their directories."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.content_types.compound_files import SIGNATURE, ole_type
from wharf_upload.content_types.content import HEAD_BYTES, Content

OLE = "application/x-ole-storage"
NONE = 0xFFFFFFFF


def entry(
    name: str, kind: int, *, right: int = NONE, child: int = NONE, clsid: bytes = bytes(16)
) -> bytes:
    """Return a directory entry."""
    text = name.encode("utf-16-le") + b"\0\0"
    head = text.ljust(64, b"\0") + struct.pack("<HBBLLL", len(text), kind, 1, NONE, right, child)
    return (head + clsid).ljust(128, b"\0")


def compound(*entries: bytes, before: int = 0, sector_bytes: int = 512) -> bytes:
    """Return a file whose directory begins `before` sectors after the allocation table.

    The sectors of the directory are in reverse order.
    """
    per_sector = sector_bytes // 128
    data = b"".join(entries).ljust(-(-len(entries) // per_sector) * sector_bytes, b"\0")
    sectors = [data[at : at + sector_bytes] for at in range(0, len(data), sector_bytes)]
    last = before + len(sectors)
    table = [NONE] * (sector_bytes // 4)
    for number in range(before + 1, last + 1):
        table[number] = number - 1 if number > before + 1 else 0xFFFFFFFE
    shift = sector_bytes.bit_length() - 1
    header = (
        SIGNATURE
        + bytes(16)
        + struct.pack("<HHHHH6xLLL", 62, 3 if shift == 9 else 4, 0xFFFE, shift, 6, 0, 1, last)
    )
    header = header.ljust(76, b"\0") + struct.pack("<L", 0) + b"\xff" * 432
    body = struct.pack(f"<{len(table)}L", *table) + bytes(before * sector_bytes)
    return header.ljust(sector_bytes, b"\0") + body + b"".join(reversed(sectors))


def type_of(data: bytes, reads: list[int] | None = None) -> str:
    """Return the type of a file of which only the head is in memory."""

    def read_at(offset: int, length: int) -> bytes:
        if reads is not None:
            reads.append(length)
        return data[offset : offset + length]

    return ole_type(Content(data[:HEAD_BYTES], len(data), read_at))


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("WordDocument", "application/msword"),
        ("Workbook", "application/vnd.ms-excel"),
        ("Book", "application/vnd.ms-excel"),
        ("PowerPoint Document", "application/vnd.ms-powerpoint"),
        ("VisioDocument", "application/vnd.visio"),
        ("__properties_version1.0", "application/vnd.ms-outlook"),
        ("Quill", "application/vnd.ms-publisher"),
        ("EncryptedPackage", OLE),
        ("Other", OLE),
    ],
)
@pytest.mark.parametrize("sector_bytes", [512, 4096])
@pytest.mark.parametrize("before", [0, 100])
def test_names_in_the_root(name: str, media_type: str, sector_bytes: int, before: int) -> None:
    """A name in the root decides the type, for any place of the directory and any sector size."""
    entries = [entry("Root Entry", 5, child=1), *(entry(f"s{n}", 2, right=n + 2) for n in range(5))]
    data = compound(*entries, entry(name, 2), before=before, sector_bytes=sector_bytes)
    assert type_of(data) == media_type


def test_a_directory_of_many_sectors() -> None:
    """A Word document with hundreds of streams is recognized."""
    streams = (entry(f"s{n}", 2, right=n + 2) for n in range(490))
    data = compound(entry("Root Entry", 5, child=1), *streams, entry("WordDocument", 2))
    assert type_of(data) == "application/msword"


def test_names_of_embedded_files_do_not_count() -> None:
    """A spreadsheet that embeds a Word document is a spreadsheet."""
    data = compound(
        entry("Root Entry", 5, child=1),
        entry("Workbook", 2, right=2),
        entry("MBD00012345", 1, child=3),
        entry("WordDocument", 2),
    )
    assert type_of(data) == "application/vnd.ms-excel"


def test_an_installer_is_told_by_its_class() -> None:
    """An installer is recognized by the class of its root, because its names do not identify it."""
    clsid = bytes.fromhex("84100c0000000000c000000000000046")
    assert type_of(compound(entry("Root Entry", 5, clsid=clsid))) == "application/x-msi"


def test_circles_end() -> None:
    """Reading stops on circular chains of sectors and circular trees of entries."""
    data = bytearray(compound(entry("Root Entry", 5, child=1), entry("a", 2, right=1), before=1))
    struct.pack_into("<L", data, 512 + 4 * 2, 2)
    reads: list[int] = []
    assert type_of(bytes(data), reads) == OLE
    assert len(reads) < 500


@given(st.data())
def test_broken_files_have_a_type(data: st.DataObject) -> None:
    """A file with any changed bytes still gets a type."""
    file = bytearray(compound(entry("Root Entry", 5, child=1), entry("Workbook", 2)))
    for _ in range(data.draw(st.integers(0, 6))):
        file[data.draw(st.integers(8, len(file) - 1))] = data.draw(st.integers(0, 255))
    assert "/" in type_of(bytes(file))
