"""A store without room: memory with a capacity, and a filesystem of a few megabytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.ids import uuid7_hex
from tests.servers.filesystems import mounted
from wharf_upload.stores.base import BlobName, BlobStore, StoreFull
from wharf_upload.stores.local import LocalStore
from wharf_upload.stores.memory import MemoryStore

CAPACITY = 2 << 20


@pytest.fixture(params=["local", "memory"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    """A store with room for about two megabytes."""
    if request.param == "memory":
        yield MemoryStore(CAPACITY)
        return
    with mounted(tmp_path / "small", "tmpfs", f"size={CAPACITY}") as folder:
        local = LocalStore(folder)
        local.prepare()
        yield local


def new_name() -> BlobName:
    return BlobName("demo", uuid7_hex())


def test_put_into_a_full_store(small: BlobStore) -> None:
    """A blob that does not fit is `StoreFull`, and leaves neither a blob nor less room."""
    kept = new_name()
    small.put(kept, b"kept")
    free = small.free_bytes()
    with pytest.raises(StoreFull):
        small.put(new_name(), b"x" * (CAPACITY + 1))
    assert [found.name for found in small.blobs()] == [kept]
    # A folder that was made for it may stay.
    assert small.free_bytes() >= free - 8192


def test_writing_into_a_full_store(small: BlobStore) -> None:
    """A writer that runs out of room raises `StoreFull`, and its abort gives all room back."""
    free = small.free_bytes()
    writer = small.create(new_name())
    writer.write(b"x" * (1 << 20))
    with pytest.raises(StoreFull):
        writer.write(b"x" * (2 << 20))
    writer.abort()
    assert list(small.leftovers()) == []
    assert small.free_bytes() >= free


def test_copying_into_a_full_store(small: BlobStore) -> None:
    """A copied range that does not fit is `StoreFull` too."""
    source = small.create(new_name())
    source.write(b"x" * (1 << 20))
    writer = small.create(new_name())

    def copy_thrice() -> None:
        for _ in range(3):
            writer.copy_from(source.descriptor(), 0, 1 << 20)

    with pytest.raises(StoreFull):
        copy_thrice()
    writer.abort()
    source.abort()


def test_reading_from_a_full_store(small: BlobStore) -> None:
    """A full store still reads and deletes, and has room again afterwards."""
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
