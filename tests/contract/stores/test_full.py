"""Stores without space: memory or a server with a capacity, and a filesystem of a few megabytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.ids import uuid7_hex
from tests.servers.blob_process import socket_store
from tests.servers.filesystems import mounted
from tests.servers.stores import local_store, memory_store
from wharf_upload.storage.base import BlobName, BlobStore, StoreFull
from wharf_upload.storage.spool_file import SpoolFile

CAPACITY = 2 << 20


@pytest.fixture(params=["local", "memory", "socket"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    """Yield a store with space for about two megabytes."""
    if request.param == "memory":
        yield memory_store(CAPACITY)
        return
    if request.param == "socket":
        server = request.getfixturevalue("socket_server")
        server.reset(CAPACITY)
        yield socket_store(server)
        return
    with mounted(tmp_path / "small", "tmpfs", f"size={CAPACITY}") as folder:
        yield local_store(folder)


def new_name() -> BlobName:
    return BlobName("demo", uuid7_hex())


def test_put_into_a_full_store(small: BlobStore) -> None:
    """A blob that does not fit raises `StoreFull` and uses no space."""
    kept = new_name()
    small.put(kept, b"kept")
    free = small.room().bytes
    with pytest.raises(StoreFull):
        small.put(new_name(), b"x" * (CAPACITY + 1))
    assert [found.name for found in small.blobs()] == [kept]
    # A new folder may stay.
    assert small.room().bytes >= free - 8192


def test_writing_into_a_full_store(small: BlobStore) -> None:
    """A writer without space raises `StoreFull`, and its abort releases all space."""
    free = small.room().bytes
    writer = small.create(new_name())
    writer.write(b"x" * (1 << 20))
    with pytest.raises(StoreFull):
        writer.write(b"x" * (2 << 20))
    writer.abort()
    assert list(small.leftovers()) == []
    assert small.room().bytes >= free


def test_copying_into_a_full_store(small: BlobStore, tmp_path: Path) -> None:
    """A copied range that does not fit raises `StoreFull`."""
    spool_file = tmp_path / "small" / "spooled"  # a local store copies only within its filesystem
    spool_file.parent.mkdir(exist_ok=True)
    spool_file.write_bytes(b"x" * (1 << 20))
    writer = small.create(new_name())

    def copy_thrice() -> None:
        with SpoolFile.open(str(spool_file)) as spool:
            for _ in range(3):
                writer.copy_range(spool, 0, 1 << 20)

    with pytest.raises(StoreFull):
        copy_thrice()
    writer.abort()


def test_reading_from_a_full_store(small: BlobStore) -> None:
    """A full store still reads and deletes, and has space again after a deletion."""
    names = [new_name() for _ in range(4)]
    for name in names[:3]:
        small.put(name, b"x" * (1 << 19))
    with pytest.raises(StoreFull):
        small.put(names[3], b"x" * (1 << 20))
    with small.open(names[0]) as stream:
        assert stream.read() == b"x" * (1 << 19)
    small.delete(names[0])
    small.delete(names[1])
    small.put(names[3], b"x" * (1 << 20))
