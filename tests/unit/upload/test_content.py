"""Tests of reads that sniffers do with offsets and lengths from the file itself."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wharf_upload.content_types.content import HEAD_BYTES, Content
from wharf_upload.content_types.media_types import is_pattern
from wharf_upload.content_types.sniffing import may_become, sniff
from wharf_upload.storage.spool_file import SpoolFile

LARGEST = (1 << 64) - 1
ODD = st.sampled_from((0, 1, 0x7FFFFFFF, 0x80000000, (1 << 63) - 1, 1 << 63, LARGEST))
NUMBERS = st.one_of(ODD, st.integers(0, LARGEST), st.integers(0, 20_000))
# For each format: the beginning of a file with offsets, the bytes of an offset, the byte order.
BEGINS = (
    (b"PK\x03\x04", 4, "little"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 2, "little"),
    (b"\0\0\0\x01ftyp", 8, "big"),
    (b"\0\0\0\x01moov", 8, "big"),
    (b"\0\0\0\x01styp", 8, "big"),
    (b"\0\0\0\x01mdat", 8, "big"),
    (b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\x01", 8, "big"),
    (b"MZ", 4, "little"),
    (b"II*\0", 4, "little"),
    (b"MM\0*", 4, "big"),
    (b"\0\0\1\0", 4, "little"),
    (b"\0\1\0\0\0", 4, "big"),
    (b"ID3\3\0\0", 4, "big"),
    (b"\x03", 2, "little"),
    (b"0\x84", 4, "big"),
    (b"PAR1", 4, "little"),
    (b"P6 ", 4, "big"),
)
_END64 = struct.Struct("<4sQHHLLQQQQ")


@pytest.fixture
def spool_path(tmp_path: Path) -> Iterator[Path]:
    """Yield the path of a spool file."""
    path = tmp_path / "body"
    path.write_bytes(b"")
    yield path
    path.unlink()


def type_of(path: Path, data: bytes) -> str:
    """Return the type of a file on the disk, which is read as the service reads it."""
    path.write_bytes(data)
    with SpoolFile.open(os.fspath(path)) as spool:
        return sniff(
            spool.read_at(0, HEAD_BYTES),
            complete=len(data) <= HEAD_BYTES,
            size=len(data),
            read_at=spool.read_at,
        )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_numbers_in_a_spooled_file_are_survived(spool_path: Path, data: st.DataObject) -> None:
    """Any number in a spool file, however large, leads to a type and not to an error."""
    begin, width, order = data.draw(st.sampled_from(BEGINS))
    numbers = data.draw(st.lists(NUMBERS, max_size=24))
    mask = (1 << 8 * width) - 1
    fields = b"".join((each & mask).to_bytes(width, order) for each in numbers)  # type: ignore[arg-type]
    filling = bytes(data.draw(st.sampled_from((0, 9000))))
    content = begin + fields + filling
    assert is_pattern(type_of(spool_path, content))
    assert all(map(is_pattern, may_become(content[:HEAD_BYTES])))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NUMBERS, min_size=4, max_size=4), st.sampled_from((0, 9000)))
def test_any_directory_of_a_large_archive_is_survived(
    spool_path: Path, numbers: list[int], filling: int
) -> None:
    """A ZIP file whose 64-bit records state any place of the directory is still a ZIP file."""
    size, offset, position, small = numbers
    begin = b"PK\x03\x04" + bytes(filling)
    record = _END64.pack(b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, offset)
    for place in (position, len(begin)):
        locator = b"PK\6\7" + struct.pack("<LQL", 0, place, 1)
        last = b"PK\5\6" + struct.pack("<8xLLH", small & 0xFFFFFFFF, offset & 0xFFFFFFFF, 0)
        assert type_of(spool_path, begin + record + locator + last) == "application/zip"


@given(st.integers(-LARGEST, LARGEST), st.integers(-LARGEST, LARGEST))
def test_nothing_is_read_behind_the_end(offset: int, length: int) -> None:
    """A reader is asked only for bytes that the file has."""
    whole = bytes(range(100))

    def read_at(begin: int, count: int) -> bytes:
        assert 0 <= begin < len(whole)
        assert 0 < count <= len(whole) - begin
        return whole[begin : begin + count]

    expected = whole[offset:][:length] if offset >= 0 and length > 0 else b""
    assert Content(whole[:10], len(whole), read_at).read(offset, length) == expected
    assert Content(whole).read(offset, length) == expected
