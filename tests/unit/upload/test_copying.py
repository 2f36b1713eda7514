"""Tests of copies of ranges, in the caller's thread and in a separate one."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from servicekit.ids import uuid7_hex
from tests.servers.stores import memory_store
from wharf_upload.storage.base import BlobName, StoreError
from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.uploads.copying import Copier

_PIECE = 1 << 20


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(os.urandom(12 * _PIECE))
    return path


@pytest.mark.parametrize("pieces", [1, 3, 12])
def test_order(source: Path, pieces: int) -> None:
    """Pieces arrive in the order of the calls, with and without a separate thread."""
    store, name = memory_store(), BlobName("demo", uuid7_hex())
    writer = store.create(name)
    with source.open("rb") as stream:
        copier = Copier(SpoolFile.borrow("", stream.fileno()))
        for number in reversed(range(pieces)):
            copier.copy(writer, number * _PIECE, _PIECE)
        copier.drain()
    writer.commit()
    content = source.read_bytes()
    parts = [content[one * _PIECE : (one + 1) * _PIECE] for one in reversed(range(pieces))]
    with store.open(name) as stored:
        assert stored.read() == b"".join(parts)


def test_errors_reach_the_caller(source: Path) -> None:
    """`drain` raises an error of an earlier copy, and the thread ends."""
    before = threading.active_count()
    writer = memory_store(capacity=8 * _PIECE).create(BlobName("demo", uuid7_hex()))
    with source.open("rb") as stream:
        copier = Copier(SpoolFile.borrow("", stream.fileno()))
        for number in range(12):
            copier.copy(writer, number * _PIECE, _PIECE)
        with pytest.raises(StoreError):
            copier.drain()
    writer.abort()
    # Threads of other tests may end during this test.
    assert threading.active_count() <= before


def test_nothing_to_drain(source: Path) -> None:
    """`drain` without a copy, even twice, does nothing."""
    with source.open("rb") as stream:
        copier = Copier(SpoolFile.borrow("", stream.fileno()))
        copier.drain()
        copier.drain()
