"""Deleted files' bytes stay while somebody copies the store."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.servers.upload import UploadService, ages
from wharf_upload.holding import Holds
from wharf_upload.sweeping import Sweeper


def sweep(upload: UploadService) -> int:
    """How many deleted blobs a sweeper removed that looks for holds."""
    holds = Holds(upload.settings.data)
    root = upload.settings.spool_folder.parent
    return Sweeper(upload.store, upload.records, root, ages(), held=holds.held).run().deleted_blobs


def test_while_held(upload: UploadService) -> None:
    """A sweeper removes nothing that was deleted during a hold, and all of it afterwards."""
    upload.put("a", b"one")
    with Holds(upload.settings.data).hold():
        upload.put("a", b"two")
        upload.request("DELETE", "/v1/files/default/a")
        assert sweep(upload) == 0
        assert len(upload.blobs()) == 2
    assert sweep(upload) == 2
    assert upload.blobs() == set()


def test_two_at_once(tmp_path: Path) -> None:
    """The end of one hold is not that of another."""
    holds = Holds(tmp_path)
    with holds.hold():
        with holds.hold():
            assert holds.held()
        assert holds.held()
    assert not holds.held()
    assert list((tmp_path / "tenants").iterdir()) == []


def test_of_a_dead_copier(tmp_path: Path) -> None:
    """A hold that nobody has touched for long holds nothing, and goes when the next one comes."""
    holds = Holds(tmp_path)
    (tmp_path / "tenants").mkdir()
    left = tmp_path / "tenants" / ".hold-left"
    left.touch()
    assert holds.held()
    os.utime(left, (time.time() - 3600,) * 2)
    assert not holds.held()
    with holds.hold():
        assert not left.exists()
        assert holds.held()
