"""Fixtures of each implementation of the contract of a blob store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.blob_process import blob_server, socket_server, socket_store
from tests.servers.object_store_drivers import object_store
from tests.servers.stores import EXCLUSIVE, OBJECT_STORES, local_store, memory_store, moving_store
from wharf_upload.storage.base import BlobStore
from wharf_upload.storage.memory import MemoryStore
from wharf_upload.storage.spool_file import SpoolFile

__all__ = ["blob_server", "socket_server"]


@pytest.fixture(params=[*EXCLUSIVE, *OBJECT_STORES])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """Return an empty store."""
    if request.param == "memory":
        return MemoryStore()  # raises the errors of the contract without a wrapper
    if request.param == "timed memory":
        return memory_store()
    if request.param == "socket":
        return socket_store(request.getfixturevalue("socket_server"))
    if request.param in ("moving", "back"):
        server = request.getfixturevalue("socket_server").store()
        return moving_store(tmp_path / "data", server, to_disk=request.param == "back")
    if request.param in OBJECT_STORES:
        return object_store(request.getfixturevalue(request.param), tmp_path / "spool")
    return local_store(tmp_path / "data", durable=request.param == "local")


@pytest.fixture
def spool_file(tmp_path: Path) -> Path:
    """Return a body that the gateway has spooled, on the filesystem of the store."""
    path = tmp_path / "spooled"
    path.write_bytes(b"spooled body")
    return path


@pytest.fixture
def spool(spool_file: Path) -> Iterator[SpoolFile]:
    """Yield the opened spool file."""
    with SpoolFile.open(str(spool_file)) as opened:
        yield opened
