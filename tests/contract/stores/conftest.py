"""Every implementation of the contract of a blob store."""

from __future__ import annotations

from pathlib import Path

import pytest

from wharf_upload.stores.base import BlobStore
from wharf_upload.stores.local import LocalStore
from wharf_upload.stores.memory import MemoryStore


@pytest.fixture(params=["local", "local without fsync", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """An empty store."""
    if request.param == "memory":
        return MemoryStore()
    local = LocalStore(tmp_path / "data", durable=request.param == "local")
    local.prepare()
    return local


@pytest.fixture
def spool_file(tmp_path: Path) -> Path:
    """A body that the gateway has spooled, on the store's filesystem."""
    path = tmp_path / "spooled"
    path.write_bytes(b"spooled body")
    return path
