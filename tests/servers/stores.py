"""Stores for tests, as the service sees them: wrapped in `TimedStore`."""

from __future__ import annotations

from pathlib import Path

from wharf_upload import bootstrap
from wharf_upload.storage.base import StoreDriver
from wharf_upload.storage.local import LocalStore
from wharf_upload.storage.memory import MemoryStore
from wharf_upload.storage.moving import MovingStore
from wharf_upload.storage.timed import TimedStore

# Stores of the contract tests, by their names in tests/contract/stores/conftest.py. The stores in
# EXCLUSIVE refuse a name that exists. An object store replaces the blob of this name.
EXCLUSIVE = (
    "local",
    "local without fsync",
    "memory",
    "timed memory",
    "socket",
    "moving",
    "back",
)
OBJECT_STORES = ("radosgw", "swift")


def local_store(data: Path, *, durable: bool = True) -> TimedStore:
    """Return a store on a disk, with its folders."""
    return bootstrap.local_store(data, durable=durable)


def memory_store(capacity: int = 1 << 30) -> TimedStore:
    """Return a store in memory."""
    return TimedStore(MemoryStore(capacity))


def moving_store(data: Path, other: StoreDriver, *, to_disk: bool = False) -> TimedStore:
    """Return a moving store of a disk and another store, with blobs that move from
    or to the disk.
    """
    disk = LocalStore(data)
    disk.prepare()
    if to_disk:
        return TimedStore(MovingStore(disk, other, new_is_on_disk=True))
    return TimedStore(MovingStore(other, disk))
