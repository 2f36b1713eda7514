"""Tests that a damaged or partial backup is refused before any record is restored."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from servicekit.database.backup_manifest import BackupError
from servicekit.ids import uuid7_hex
from servicekit.testing import Issuer
from tests.servers.hourly_store import HourlyStore
from tests.servers.unfinished import under_way
from tests.servers.upload import UploadService, assemble, settings_for
from tests.servers.upload_invariants import assert_sound
from wharf_upload import bootstrap
from wharf_upload.maintenance import backup
from wharf_upload.maintenance.blob_copies import Counts
from wharf_upload.maintenance.installation import Installation
from wharf_upload.storage.timed import TimedStore

CONTENT = {"small": b"content", "other": b"another", "large": bytes(range(256)) * 10_000}
ARRIVED = b"0123456789"


@dataclass(frozen=True)
class Saved:
    """A whole backup of a service with some files and one unfinished upload."""

    service: UploadService
    folder: Path
    upload: str
    new: Path

    def blob(self, key: str) -> Path:
        """Return the path of a file's blob in the backup."""
        file = self.service.records.file("demo", "default", key)
        assert file is not None
        (path,) = (self.folder / "tenants").rglob(file.blob)
        path.chmod(0o600)
        return path

    def part(self) -> Path:
        """Return the path of the upload's bytes in the backup."""
        return self.folder / "resumable" / self.upload

    def restore(self, objects: HourlyStore | None = None, **options: bool) -> Counts:
        """Restore into a new installation, on a disk or on an object store."""
        return backup.restore(self.installation(objects), self.folder, lambda *_: None, **options)

    def installation(self, objects: HourlyStore | None = None) -> Installation:
        """Return the new installation."""
        own = bootstrap.installation(settings_for(self.new))
        return own if objects is None else replace(own, objects=lambda: TimedStore(objects))

    def made(self) -> list[Path]:
        """Return the files that a restore has created."""
        return [path for path in self.new.rglob("*") if path.is_file()]


@pytest.fixture
def saved(upload: UploadService, tmp_path: Path) -> Saved:
    """Return a whole backup."""
    for key, content in CONTENT.items():
        assert upload.put(key, content).status_code == 201
    identifier = under_way(upload, ARRIVED)
    folder = tmp_path / "backup"
    backup.backup(bootstrap.installation(upload.settings), folder, lambda *_: None)
    return Saved(upload, folder, identifier, tmp_path / "new")


def changed(path: Path) -> Path:
    """Change only the last byte of a file."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return path


def cut(path: Path) -> Path:
    """Remove the last byte of a file."""
    path.write_bytes(path.read_bytes()[:-1])
    return path


def gone(path: Path) -> Path:
    """Remove a file."""
    path.unlink()
    return path


Damage = Callable[[Path], Path]
DAMAGES = pytest.mark.parametrize("damage", [changed, cut, gone])
STORES = pytest.mark.parametrize("in_store", [False, True])


@STORES
@DAMAGES
def test_bytes_of_a_file(
    saved: Saved, damage: Damage, caplog: pytest.LogCaptureFixture, *, in_store: bool
) -> None:
    """A changed, cut or missing blob ends the restore without a record, and its path is logged."""
    path = damage(saved.blob("small"))
    refused = r"^the backup is damaged: .* no record was restored; .*: --skip-damaged$"
    with pytest.raises(BackupError, match=refused):
        saved.restore(HourlyStore() if in_store else None)
    assert str(path) in caplog.text
    assert not (saved.new / "upload" / "upload.db").exists()
    # No blob with wrong bytes has a blob's name.
    assert all(made.read_bytes() in CONTENT.values() for made in saved.made())
    if damage is not changed:
        # Sizes alone show the damage, before anything is created.
        assert saved.made() == []


@STORES
def test_the_rest_of_a_damaged_backup(saved: Saved, issuer: Issuer, *, in_store: bool) -> None:
    """With `skip_damaged` the rest is restored, and damaged and missing files are counted."""
    changed(saved.blob("small"))
    gone(saved.blob("other"))
    cut(saved.part())
    objects = HourlyStore() if in_store else None
    counts = saved.restore(objects, skip_damaged=True)
    assert (counts.missing, counts.damaged, counts.copied_files) == (1, 1, 1)
    store = None if objects is None else TimedStore(objects)
    found = assemble(settings_for(saved.new), issuer, store)
    assert found.content("large") == CONTENT["large"]
    assert len(found.blobs()) == 1
    # None of the upload's bytes are restored.
    assert (saved.new / "resumable" / saved.upload).read_bytes() == b""


@DAMAGES
def test_bytes_of_an_upload(saved: Saved, damage: Damage, caplog: pytest.LogCaptureFixture) -> None:
    """The bytes of an unfinished upload are compared before anything is created."""
    path = damage(saved.part())
    with pytest.raises(BackupError, match="1 files of unfinished uploads are not as they were"):
        saved.restore()
    assert str(path) in caplog.text
    assert saved.made() == []


@pytest.mark.parametrize("damage", [changed, cut, gone])
def test_the_records(saved: Saved, damage: Damage) -> None:
    """Damaged records are refused, with the path, before anything is created."""
    path = damage(saved.folder / "upload.db")
    with pytest.raises(BackupError, match=f"{path} is (damaged|missing in the backup)") as trouble:
        saved.restore()
    assert "copy it from another copy of this backup" in str(trouble.value)
    assert saved.made() == []


@pytest.mark.parametrize("damage", [cut, gone])
def test_the_manifest(saved: Saved, damage: Damage) -> None:
    """A folder whose manifest is missing or cut is refused."""
    path = saved.folder / "manifest.json"
    path.write_bytes(path.read_bytes().rstrip())
    damage(path)
    with pytest.raises(BackupError, match=r"no whole backup: it has no|manifest\.json is damaged"):
        saved.restore()
    assert saved.made() == []


def test_a_manifest_of_a_newer_release(saved: Saved) -> None:
    """A backup in a format of a newer release is refused as such, and not called damaged."""
    newer = {"format": 2, "whatever": "it says"}
    (saved.folder / "manifest.json").write_text(json.dumps(newer), encoding="utf-8")
    with pytest.raises(BackupError, match="of a newer release: its format is 2"):
        saved.restore()
    assert saved.made() == []


def test_records_of_a_newer_release(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that a newer release has migrated are refused before anything is created."""
    schema = backup.SCHEMA

    class Older:
        """The schema of a release that does not know the backup's revision."""

        version_table, seeded, scripts = schema.version_table, schema.seeded, schema.scripts

        def head(self) -> str:
            return schema.revisions()[1]

        def revisions(self) -> list[str]:
            return schema.revisions()[1:]

    monkeypatch.setattr(backup, "SCHEMA", Older())
    with pytest.raises(BackupError, match="an older version does not know a newer schema"):
        saved.restore()
    assert saved.made() == []


@pytest.mark.parametrize("name", ["tenants", "resumable"])
def test_a_folder_that_was_copied_by_half(saved: Saved, name: str) -> None:
    """A copy of a backup that lacks a folder is refused, although its manifest is complete."""
    shutil.rmtree(saved.folder / name)
    with pytest.raises(BackupError, match="the backup is damaged"):
        saved.restore()
    assert saved.made() == []


def test_other_files(saved: Saved, issuer: Issuer) -> None:
    """A restore ignores files that the backup does not list, and restores all others."""
    names = ("notes.txt", f"tenants/demo/aa/{uuid7_hex()}", f"resumable/{uuid7_hex()}")
    for name in names:
        (saved.folder / name).parent.mkdir(exist_ok=True)
        (saved.folder / name).write_bytes(b"other")
    assert saved.restore().files == len(CONTENT)
    found = assemble(settings_for(saved.new), issuer)
    assert {key: found.content(key) for key in CONTENT} == CONTENT
    assert_sound(found)
    assert len(found.blobs()) == len(CONTENT)
    assert [path.name for path in found.settings.resumable_folder.iterdir()] == [saved.upload]


def test_an_installation_in_use(saved: Saved) -> None:
    """A restore into an installation in use is refused, and its uploads keep their bytes."""
    own, part = saved.service.settings, saved.service.settings.resumable_folder / saved.upload
    part.write_bytes(ARRIVED + b"and more")
    changed_at = part.stat().st_mtime_ns
    with pytest.raises(BackupError, match="restore needs an empty database"):
        backup.restore(bootstrap.installation(own), saved.folder, lambda *_: None)
    assert part.read_bytes() == ARRIVED + b"and more"
    assert part.stat().st_mtime_ns == changed_at


@pytest.mark.parametrize("damage", [changed, cut, gone])
def test_damaged_before_the_backup(
    upload: UploadService, tmp_path: Path, damage: Damage, issuer: Issuer
) -> None:
    """A backup leaves out blobs that are damaged on the disk, and the backup can be restored."""
    for key, content in CONTENT.items():
        upload.put(key, content)
    file = upload.records.file("demo", "default", "small")
    assert file is not None
    (path,) = (upload.settings.data / "tenants").rglob(file.blob)
    path.chmod(0o600)
    damage(path)
    folder = tmp_path / "backup"
    counts = backup.backup(bootstrap.installation(upload.settings), folder, lambda *_: None)
    assert (counts.missing, counts.damaged) == ((1, 0) if damage is gone else (0, 1))
    assert json.loads((folder / "manifest.json").read_bytes())["missing"] == 1
    assert list((folder / "tenants").rglob(file.blob)) == []
    new = settings_for(tmp_path / "new")
    counts = backup.restore(bootstrap.installation(new), folder, lambda *_: None)
    assert (counts.missing, counts.copied_files) == (1, 2)
    assert assemble(new, issuer).content("large") == CONTENT["large"]


def test_a_damaged_backup_of_a_damaged_disk(saved: Saved) -> None:
    """A restore is refused if more files are missing than the backup's manifest states."""
    gone(saved.blob("small"))
    gone(saved.blob("other"))
    manifest = json.loads((saved.folder / "manifest.json").read_bytes())
    manifest["missing"] = 1
    (saved.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BackupError, match="the bytes of 2 files are missing"):
        saved.restore()
    assert saved.made() == []


def test_second_names_compare_sizes(saved: Saved, tmp_path: Path) -> None:
    """With `--link` a backup and a restore detect a cut or empty file by its size."""
    file = saved.service.records.file("demo", "default", "small")
    assert file is not None
    (path,) = (saved.service.settings.data / "tenants").rglob(file.blob)
    path.chmod(0o600)
    path.write_bytes(b"")
    own = bootstrap.installation(saved.service.settings)
    counts = backup.backup(own, tmp_path / "linked", lambda *_: None, link=True)
    assert (counts.damaged, counts.missing, counts.copied_files) == (1, 0, 2)
    for key in ("large", "other"):
        cut(saved.blob(key))
    with pytest.raises(BackupError, match="2 files are not as they were saved"):
        saved.restore(link=True)
    assert saved.made() == []
