"""Tests of spool files, which are complete bodies on the local disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from wharf_upload.domain.digests import Hashing
from wharf_upload.storage.errors import StoreError
from wharf_upload.storage.spool_file import SpoolFile

_BODY = os.urandom((2 << 20) + 12_345)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "spooled"
    path.write_bytes(_BODY)
    return path


def test_reading(path: Path) -> None:
    """A read returns the bytes of the range, and fewer only at the end of the file."""
    with SpoolFile.open(str(path)) as spool:
        assert (spool.size, spool.inode) == (len(_BODY), path.stat().st_ino)
        assert spool.read_at(5, 10) == _BODY[5:15]
        assert spool.read_at(len(_BODY) - 3, 10) == _BODY[-3:]
        assert spool.read_at(len(_BODY) + 1, 10) == b""


def test_reading_into_a_buffer(path: Path) -> None:
    """A buffer is filled from an offset, and gets nothing at the end of the file."""
    buffer = bytearray(10)
    with SpoolFile.open(str(path)) as spool:
        assert spool.read_into(memoryview(buffer), 100) == 10
        assert buffer == _BODY[100:110]
        assert spool.read_into(memoryview(buffer), len(_BODY)) == 0


@pytest.mark.parametrize(
    ("offset", "length"), [(0, len(_BODY)), (1, 1 << 20), (len(_BODY), 0), (7, (1 << 20) + 1)]
)
def test_hashing(path: Path, offset: int, length: int) -> None:
    """The digest of a range is that of its bytes, across blocks."""
    hashing = Hashing()
    with SpoolFile.open(str(path)) as spool:
        spool.hash_into(hashing, offset, length)
    assert hashing.sha256 == hashlib.sha256(_BODY[offset : offset + length]).digest()


def test_hashing_a_short_file(path: Path) -> None:
    """A range past the end of the file raises `StoreError`."""
    with SpoolFile.open(str(path)) as spool, pytest.raises(StoreError):
        spool.hash_into(Hashing(), 0, len(_BODY) + 1)


def test_its_path_goes(path: Path) -> None:
    """An open file stays readable after its path was removed."""
    with SpoolFile.open(str(path)) as spool:
        path.unlink()
        assert spool.read_at(0, 3) == _BODY[:3]


@pytest.mark.parametrize("kind", ["missing", "symbolic link"])
def test_what_cannot_be_opened(path: Path, kind: str) -> None:
    """A missing file or a symbolic link raises `StoreError`."""
    other = path.with_name("other")
    if kind != "missing":
        other.symlink_to(path)
    with pytest.raises(StoreError) as caught:
        SpoolFile.open(str(other))
    assert str(path.parent) not in str(caught.value)


def test_closing(path: Path) -> None:
    """An opened file is closed once, and a borrowed descriptor stays open."""
    before = len(os.listdir("/proc/self/fd"))
    spool = SpoolFile.open(str(path))
    spool.close()
    spool.close()
    with path.open("rb") as file:
        with SpoolFile.borrow(str(path), file.fileno()) as borrowed:
            assert borrowed.size == len(_BODY)
        assert file.read(3) == _BODY[:3]
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(StoreError):
        spool.read_at(0, 1)
