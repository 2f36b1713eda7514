"""What a backup takes of uploads that are under way."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from servicekit.database import snapshots
from servicekit.ids import uuid7_hex
from tests.servers.unfinished import under_way
from tests.servers.upload import UploadService, settings_for
from wharf_upload import bootstrap
from wharf_upload.maintenance import backup


def saved(upload: UploadService, folder: Path) -> dict[str, bytes]:
    """What a backup has of each upload."""
    backup.backup(bootstrap.installation(upload.settings), folder, lambda *_: None)
    return {path.name: path.read_bytes() for path in (folder / "resumable").iterdir()}


def test_unverified_bytes_stay_behind(upload: UploadService, tmp_path: Path) -> None:
    """Bytes whose checksum has not been compared yet are none in a backup; others are."""
    plain = under_way(upload, b"0123456789")
    checked = under_way(upload, b"0123456789", discard_from=4)
    found = saved(upload, tmp_path / "backup")
    assert found == {plain: b"0123456789", checked: b"0123"}


def test_a_checksum_that_comes_meanwhile(
    upload: UploadService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the row says when the bytes are copied counts, and not what it said before."""
    identifier = under_way(upload, b"0123456789")
    save = snapshots.save

    def later(*arguments: Any) -> None:
        save(*arguments)
        with upload.database.transaction() as connection:
            connection.execute("UPDATE uploads SET discard_from = 3 WHERE id = ?", (identifier,))

    monkeypatch.setattr(snapshots, "save", later)
    assert saved(upload, tmp_path / "backup") == {identifier: b"012"}


def test_slices_that_wait(upload: UploadService, tmp_path: Path) -> None:
    """Slices that were answered, and wait for those in front of them, come back from a backup."""
    identifier = under_way(upload, b"0123456789")
    waiting, half = f"{identifier}-1-2", f"{identifier}-1-3-{uuid7_hex()}"
    for name in (waiting, half, f"{identifier}-refused"):
        (upload.settings.resumable_folder / name).write_bytes(b"slice")
    kept = {identifier: b"0123456789", waiting: b"slice"}
    assert saved(upload, tmp_path / "backup") == kept
    other = settings_for(tmp_path / "other")
    backup.restore(bootstrap.installation(other), tmp_path / "backup", lambda *_: None)
    found = {path.name: path.read_bytes() for path in other.resumable_folder.iterdir()}
    assert found == kept


def test_nothing_old_stays(upload: UploadService, tmp_path: Path) -> None:
    """A second backup has nothing of an upload that ended since the first one."""
    identifier = under_way(upload, b"0123456789")
    assert saved(upload, tmp_path / "backup") == {identifier: b"0123456789"}
    (upload.settings.resumable_folder / identifier).unlink()
    assert saved(upload, tmp_path / "backup") == {}


def test_cut_short(upload: UploadService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second backup that fails leaves what the first one has of unfinished uploads."""
    identifier, folder = under_way(upload, b"0123456789"), tmp_path / "backup"
    before = saved(upload, folder)
    (upload.settings.resumable_folder / identifier).write_bytes(b"01234567890123456789")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "truncate", full)
        with pytest.raises(OSError, match="No space"):
            saved(upload, folder)
    assert (folder / "manifest.json").exists()
    assert {path.name: path.read_bytes() for path in (folder / "resumable").iterdir()} == before
    assert saved(upload, folder) == {identifier: b"01234567890123456789"}
