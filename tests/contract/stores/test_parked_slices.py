"""Parked slices: each is complete or does not exist, and belongs to one upload."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.storage.errors import StoreError
from wharf_upload.storage.parked_slices import ParkedSlices, upload_of
from wharf_upload.storage.partial_uploads import PartialUploadStore
from wharf_upload.storage.spool_file import SpoolFile

_ID = "ab" * 16


def upload(created_at: int = 1) -> Upload:
    """Return an upload that was created at the given time."""
    return Upload(
        id=_ID,
        tenant="demo",
        subject="client-1",
        bucket="default",
        key="a.bin",
        length=10,
        created_at=created_at,
        expires_at=1_000,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of partial uploads."""
    return PartialUploadStore(tmp_path / "resumable").folder


@pytest.fixture(params=[False, True])
def parked(folder: Path, request: pytest.FixtureRequest) -> ParkedSlices:
    """Return the parked slices, with and without durability."""
    return ParkedSlices(folder, durable=request.param)


def spooled(tmp_path: Path, content: bytes) -> SpoolFile:
    """Write the content to a spool file and return the opened file."""
    path = tmp_path / "spooled"
    path.write_bytes(content)
    return SpoolFile.open(str(path))


def read(parked: ParkedSlices, index: int, created_at: int = 1) -> bytes | None:
    """Return the bytes of the parked slice, or `None`."""
    found = parked.open(upload(created_at), index)
    if found is None:
        return None
    with found:
        return found.read_at(0, found.size)


def test_a_slice_comes_back(parked: ParkedSlices, tmp_path: Path, folder: Path) -> None:
    """A range of a body is stored under its index, replaced by a later range, and removed."""
    with spooled(tmp_path, b"--slice one--slice two--") as spool:
        parked.park(upload(), 3, spool, 2, 9)
        assert read(parked, 3) == b"slice one"
        parked.park(upload(), 3, spool, 13, 9)
    assert read(parked, 3) == b"slice two"
    assert parked.is_there(upload(), 3)
    assert not parked.is_there(upload(), 2)
    (name,) = os.listdir(folder)
    assert upload_of(name) == _ID
    parked.remove(upload(), 3)
    parked.remove(upload(), 3)
    assert read(parked, 3) is None
    assert os.listdir(folder) == []


def test_an_upload_that_began_anew(parked: ParkedSlices, tmp_path: Path) -> None:
    """A slice of an upload is not found for a later upload with the same id."""
    with spooled(tmp_path, b"slice") as spool:
        parked.park(upload(1), 0, spool, 0, 5)
    assert read(parked, 0, created_at=2) is None


def test_a_body_that_is_shorter(parked: ParkedSlices, tmp_path: Path, folder: Path) -> None:
    """A slice that cannot be read to its end leaves no file."""
    with spooled(tmp_path, b"slice") as spool, pytest.raises(StoreError):
        parked.park(upload(), 0, spool, 0, 6)
    assert os.listdir(folder) == []


def test_a_refusal_is_remembered(parked: ParkedSlices, folder: Path) -> None:
    """The reason of a refused upload is stored until it is forgotten."""
    assert parked.refusal(_ID) is None
    parked.note_refusal(_ID, "wegen Überfüllung")
    assert parked.refusal(_ID) == "wegen Überfüllung"
    (name,) = os.listdir(folder)
    assert upload_of(name) == _ID
    parked.forget_refusal(_ID)
    assert parked.refusal(_ID) is None
