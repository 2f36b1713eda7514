"""Tests of the data of unfinished uploads in a backup, and of the users that may read a backup."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from servicekit.database import snapshots
from servicekit.database.backup_manifest import BackupError
from servicekit.ids import uuid7_hex
from tests.servers.unfinished import under_way
from tests.servers.upload import UploadService, new_file, settings_for
from wharf_upload import bootstrap
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.maintenance import backup


def saved(upload: UploadService, folder: Path) -> dict[str, bytes]:
    """Return the bytes that a backup has of each upload."""
    backup.backup(bootstrap.installation(upload.settings), folder, lambda *_: None)
    return {path.name: path.read_bytes() for path in (folder / "resumable").iterdir()}


def test_unverified_bytes_stay_behind(upload: UploadService, tmp_path: Path) -> None:
    """A backup leaves out bytes whose checksum has not been compared yet."""
    plain = under_way(upload, b"0123456789")
    checked = under_way(upload, b"0123456789", discard_from=4)
    found = saved(upload, tmp_path / "backup")
    assert found == {plain: b"0123456789", checked: b"0123"}


def test_a_checksum_that_comes_meanwhile(
    upload: UploadService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup uses the upload's row as it is when the upload's bytes are copied."""
    identifier = under_way(upload, b"0123456789")
    save = snapshots.save

    def later(*arguments: Any) -> None:
        save(*arguments)
        with upload.database.transaction() as connection:
            connection.execute("UPDATE uploads SET discard_from = 3 WHERE id = ?", (identifier,))

    monkeypatch.setattr(snapshots, "save", later)
    assert saved(upload, tmp_path / "backup") == {identifier: b"012"}


def test_slices_that_wait(upload: UploadService, tmp_path: Path) -> None:
    """Acknowledged slices that wait for earlier ones are restored from a backup."""
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


def test_uploads_without_bytes(upload: UploadService, tmp_path: Path) -> None:
    """An upload without any bytes is in a backup, and can be continued after a restore."""
    identifier = under_way(upload, b"")
    own, folder = bootstrap.installation(upload.settings), tmp_path / "backup"
    assert backup.backup(own, folder, lambda *_: None).uploads == 1
    assert (folder / "resumable" / identifier).read_bytes() == b""
    (folder / "resumable" / identifier).unlink()
    other = settings_for(tmp_path / "other")
    counts = backup.restore(
        bootstrap.installation(other), folder, lambda *_: None, skip_damaged=True
    )
    assert counts.uploads == 1
    begun = other.resumable_folder / identifier
    assert (begun.read_bytes(), begun.stat().st_mode & 0o777) == (b"", 0o600)


@pytest.mark.parametrize("how", ["removed", "a file", "renamed"])
def test_uploads_that_end_meanwhile(
    upload: UploadService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """If an upload ends before its bytes are copied, the backup has no partial upload of it."""
    ended, stays = under_way(upload, b"ended"), under_way(upload, b"stays")
    waiting = f"{ended}-1-2"
    (upload.settings.resumable_folder / waiting).write_bytes(b"slice")
    save, copyfile = snapshots.save, shutil.copyfile
    file = msgspec.json.encode(new_file("a.bin"))
    changes: dict[str, tuple[str, tuple[object, ...]]] = {
        "removed": ("DELETE FROM uploads WHERE id = ?", (ended,)),
        "a file": ("UPDATE uploads SET file = ? WHERE id = ?", (file, ended)),
    }

    def later(*arguments: Any) -> None:
        save(*arguments)
        if how in changes:
            with upload.database.transaction() as connection:
                connection.execute(*changes[how])

    def copy(source: str, target: str) -> None:
        if how == "renamed" and ended in source:
            os.unlink(source)
        copyfile(source, target)

    monkeypatch.setattr(snapshots, "save", later)
    monkeypatch.setattr(shutil, "copyfile", copy)
    own, folder = bootstrap.installation(upload.settings), tmp_path / "backup"
    assert backup.backup(own, folder, lambda *_: None).uploads == 1
    slices = set() if how == "renamed" else {waiting}
    assert {path.name for path in (folder / "resumable").iterdir()} == {stays} | slices


@pytest.mark.parametrize(("then", "kept"), [(b"0123456789abc", b"0123456789"), (b"0123", b"0123")])
def test_bytes_that_come_or_go_meanwhile(
    upload: UploadService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    then: bytes,
    kept: bytes,
) -> None:
    """A backup takes only bytes that exist before and after the upload's row is read."""
    identifier = under_way(upload, b"0123456789")
    own, folder = bootstrap.installation(upload.settings), tmp_path / "backup"
    get = own.uploads.get

    def later(tenant: str, name: str) -> Upload | None:
        found = get(tenant, name)
        (upload.settings.resumable_folder / name).write_bytes(then)
        return found

    monkeypatch.setattr(own.uploads, "get", later)
    backup.backup(own, folder, lambda *_: None)
    assert (folder / "resumable" / identifier).read_bytes() == kept


def test_damaged_slices_that_wait(upload: UploadService, tmp_path: Path) -> None:
    """A slice with damaged bytes is not restored, even if damage is skipped."""
    waiting = [f"{under_way(upload, b'0123456789')}-1-{number}" for number in (2, 3)]
    for name in waiting:
        (upload.settings.resumable_folder / name).write_bytes(b"slice")
    saved(upload, tmp_path / "backup")
    (tmp_path / "backup" / "resumable" / waiting[0]).write_bytes(b"SLICE")
    other = settings_for(tmp_path / "other")
    own = bootstrap.installation(other)
    backup.restore(own, tmp_path / "backup", lambda *_: None, skip_damaged=True)
    found = {path.name for path in other.resumable_folder.glob("*-*")}
    assert found == {waiting[1]}


def test_nothing_old_stays(upload: UploadService, tmp_path: Path) -> None:
    """A second backup contains nothing of an upload that ended after the first backup."""
    identifier = under_way(upload, b"0123456789")
    assert saved(upload, tmp_path / "backup") == {identifier: b"0123456789"}
    (upload.settings.resumable_folder / identifier).unlink()
    assert saved(upload, tmp_path / "backup") == {}


def test_who_may_read_it(upload: UploadService, tmp_path: Path) -> None:
    """Only the owner may read a backup or a restored folder, and no blob is writable."""
    upload.put("a", b"content")
    waiting = f"{under_way(upload, b'0123456789')}-1-2"
    (upload.settings.resumable_folder / waiting).write_bytes(b"slice")
    (upload.settings.resumable_folder / waiting).chmod(0o644)
    folder, other = tmp_path / "new" / "backup", settings_for(tmp_path / "other")
    saved(upload, folder)
    backup.restore(bootstrap.installation(other), folder, lambda *_: None)
    for data in (folder, other.data):
        (blob,) = (path for path in data.rglob("tenants/*/*/*"))
        assert (blob.stat().st_mode & 0o777, blob.read_bytes()) == (0o440, b"content")
        for path in (data / "resumable", blob.parent):
            assert (path, path.stat().st_mode & 0o777) == (path, 0o700)
        for path in (data / "resumable").iterdir():
            assert (path, path.stat().st_mode & 0o777) == (path, 0o600)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_it_says_of_itself(upload: UploadService, tmp_path: Path) -> None:
    """The manifest has the time of the backup, and the numbers of its files and bytes."""
    begun = int(time.time())
    for key, content in (("a", b"c"), ("b", b"content and more")):
        upload.put(key, content[:13])
    under_way(upload, b"0123456789")
    counts = backup.backup(
        bootstrap.installation(upload.settings), tmp_path / "backup", lambda *_: None
    )
    manifest = json.loads((tmp_path / "backup" / "manifest.json").read_bytes())
    assert begun <= manifest["made_at"] <= time.time()
    assert (manifest["files"], manifest["bytes"], manifest["missing"]) == (2, 14, 0)
    assert manifest["records_only"] is False
    assert (counts.files, counts.bytes, counts.uploads) == (2, 14, 1)
    assert (counts.copied_files, counts.copied_bytes) == (2, 14)
    other = settings_for(tmp_path / "other")
    other.resumable_folder.mkdir()
    counts = backup.restore(bootstrap.installation(other), tmp_path / "backup", lambda *_: None)
    assert (counts.files, counts.copied_bytes, counts.uploads) == (2, 14, 1)


def test_a_database_of_another_release(upload: UploadService, tmp_path: Path) -> None:
    """A database that needs a migration is not saved, and the error tells the operator."""
    with upload.database.transaction() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(BackupError, match=r"^the database cannot be saved: .*migrate"):
        saved(upload, tmp_path / "backup")
    assert not (tmp_path / "backup" / "manifest.json").exists()


def test_cut_short(upload: UploadService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second backup that fails leaves the first one's unfinished uploads unchanged."""
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
