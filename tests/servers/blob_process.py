"""A process that stores blobs behind a socket. A test makes it slow or faulty."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import blob_server as protocol
from tests.servers.socket_store import SocketStore
from wharf_upload.storage.timed import TimedStore


class RunningBlobServer:
    """A running blob server, and the methods with which a test makes it misbehave."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._store = SocketStore(address)

    def store(self) -> SocketStore:
        """Return a new client."""
        return SocketStore(self.address)

    def fail(self, operation: str, fault: str, *, times: int = 1) -> None:
        """Make the next `times` operations of this name fail, and remove their delay. The docstring
        of `blob_server.py` lists the faults.
        """
        self._store.ask("control", of=operation, fault=fault, times=times, seconds=None)

    def delay(self, operation: str, seconds: float) -> None:
        """Let each operation of this name wait for these seconds from now on."""
        self._store.ask("control", of=operation, fault=None, times=0, seconds=seconds)

    def reset(self, capacity: int = protocol.CAPACITY) -> None:
        """Remove all blobs, faults and delays, and set the capacity in bytes."""
        self._store.ask("reset", capacity=capacity)


@contextmanager
def running() -> Iterator[RunningBlobServer]:
    """Start a server in a separate process, yield it, and end the process after the block."""
    # Not below pytest's folder, because a socket's path may have at most 107 bytes.
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
    """Yield the session's server. It may contain blobs of earlier
    tests (`socket_server` removes these).
    """
    with running() as server:
        yield server


@pytest.fixture
def socket_server(blob_server: RunningBlobServer) -> RunningBlobServer:
    """Return the server without blobs, faults and delays."""
    blob_server.reset()
    return blob_server


def socket_store(server: RunningBlobServer) -> TimedStore:
    """Return a store behind the server's socket."""
    return TimedStore(server.store())
