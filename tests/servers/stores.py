"""Stores for tests, as the service sees them: wrapped in `TimedStore`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from servicekit.ids import uuid7_hex
from tests.servers import blob_server as protocol
from tests.servers.object_stores import ObjectStore
from tests.servers.socket_store import SocketStore
from wharf_upload import bootstrap
from wharf_upload.domain.bucket_place import parse_bucket_place
from wharf_upload.storage.base import StoreDriver
from wharf_upload.storage.local import LocalStore
from wharf_upload.storage.memory import MemoryStore
from wharf_upload.storage.moving import MovingStore
from wharf_upload.storage.s3.keys import KeyFile
from wharf_upload.storage.s3.store import S3Store
from wharf_upload.storage.timed import TimedStore

# Stores of the contract suite, by their names in tests/contract/stores/conftest.py. The first ones
# know which names are taken; an object store takes whatever comes under a name.
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


class RunningBlobServer:
    """A server for tests, which says how it misbehaves."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._store = SocketStore(address)

    def store(self) -> SocketStore:
        """A new client."""
        return SocketStore(self.address)

    def fail(self, operation: str, fault: str, *, times: int = 1) -> None:
        """Lets the next operations of a kind fail (`blob_server` names the faults)."""
        self._store.ask("control", of=operation, fault=fault, times=times, seconds=0)

    def delay(self, operation: str, seconds: float) -> None:
        """Lets operations of a kind take longer from now on."""
        self._store.ask("control", of=operation, fault=None, times=0, seconds=seconds)

    def reset(self, capacity: int = protocol.CAPACITY) -> None:
        """Forgets all blobs, faults and delays; has room for so many bytes."""
        self._store.ask("reset", capacity=capacity)


@contextmanager
def running() -> Iterator[RunningBlobServer]:
    """A server of one's own."""
    # Not below pytest's folder: a socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="wharf-blobs-") as folder:
        address = str(Path(folder) / "blobs.sock")
        command = [sys.executable, "-S", "-E", protocol.__file__, address]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
                yield RunningBlobServer(address)
            finally:
                process.terminate()


@pytest.fixture(scope="session")
def blob_server() -> Iterator[RunningBlobServer]:
    """A server that keeps blobs; `socket_server` gives it without any."""
    with running() as server:
        yield server


@pytest.fixture
def socket_server(blob_server: RunningBlobServer) -> RunningBlobServer:
    """A server without blobs, faults and delays."""
    blob_server.reset()
    return blob_server


def local_store(data: Path, *, durable: bool = True) -> TimedStore:
    """A store on a disk, its folders made."""
    return bootstrap.local_store(data, durable=durable)


def memory_store(capacity: int = 1 << 30) -> TimedStore:
    """A store in memory."""
    return TimedStore(MemoryStore(capacity))


def socket_store(server: RunningBlobServer) -> TimedStore:
    """A store behind a socket."""
    return TimedStore(server.store())


def moving_store(data: Path, other: StoreDriver, *, to_disk: bool = False) -> TimedStore:
    """A disk and another store as one, while blobs move from the disk, or to it."""
    disk = LocalStore(data)
    disk.prepare()
    if to_disk:
        return TimedStore(MovingStore(disk, other, new_is_on_disk=True))
    return TimedStore(MovingStore(other, disk))


def object_store(server: ObjectStore, folder: Path, bucket: str = "") -> TimedStore:
    """A store in a bucket, below `blobs/`, or in a place of its own; `folder` has its files."""
    return TimedStore(object_driver(server, folder, bucket))


def object_driver(server: ObjectStore, folder: Path, bucket: str = "") -> S3Store:
    """The same without its wrapping."""
    folder.mkdir(exist_ok=True)
    prefix = "blobs" if bucket else uuid7_hex()
    place = parse_bucket_place(server.url(bucket or _shared_bucket(server), prefix))
    keys = KeyFile(str(server.key_file(folder)))
    store = S3Store(place, keys, ca=server.ca, spool_folder=folder)
    # boto3's client takes long to make, and does not depend on the bucket.
    store._client._made = _CLIENTS.setdefault(server, store._client._made)
    return store


_CLIENTS: dict[ObjectStore, Any] = {}


@cache
def _shared_bucket(server: ObjectStore) -> str:
    return server.new_bucket()
