"""Tests of backups from an object store, and of restores into an object store."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from servicekit.database.backup_manifest import BackupError
from servicekit.testing import Issuer
from tests.servers.hourly_store import HourlyStore
from tests.servers.upload import UploadService, assemble, settings_for
from tests.servers.upload_invariants import assert_sound
from wharf_upload import bootstrap
from wharf_upload.maintenance import backup
from wharf_upload.maintenance.blob_copies import Counts
from wharf_upload.maintenance.installation import Installation
from wharf_upload.storage.base import BlobName, StoreError
from wharf_upload.storage.timed import TimedStore

CONTENT = {"small": b"content", "empty": b"", "large": bytes(range(256)) * 10_000}


class Told:
    """The progress that a backup or a restore shows at a terminal."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self._lines.append((done, total))

    def assert_whole(self) -> None:
        """Check that one line was shown for each file, up to all bytes."""
        total = sum(map(len, CONTENT.values()))
        done = [done for done, _ in self._lines]
        assert ({total for _, total in self._lines}, len(done)) == ({total}, len(CONTENT))
        assert (done, done[-1]) == (sorted(done), total)
        assert {after - before for before, after in zip([0, *done], done, strict=False)} == set(
            map(len, CONTENT.values())
        )


class Trusting(HourlyStore):
    """A store that compares no digest."""

    def put(self, name: BlobName, content: bytes, sha256: bytes | None = None) -> None:
        """Store any bytes."""
        super().put(name, content)


@pytest.fixture
def objects() -> HourlyStore:
    """Return the object store of `service`."""
    return HourlyStore()


@pytest.fixture
def service(upload: UploadService, objects: HourlyStore, issuer: Issuer) -> UploadService:
    """Return a service with some files, whose blobs are in an object store."""
    service = assemble(upload.settings, issuer, TimedStore(objects))
    for key, content in CONTENT.items():
        assert service.put(key, content).status_code == 201
    return service


def installation(data: Path, objects: HourlyStore | None = None, **changes: object) -> Installation:
    """Return an installation on a disk or on an object store."""
    own = bootstrap.installation(settings_for(data))
    opened = None if objects is None else (lambda: TimedStore(objects))
    return replace(own, objects=opened, **changes)  # type: ignore[arg-type]


def saved(
    service: UploadService, objects: HourlyStore | None, folder: Path, **options: bool
) -> Counts:
    """Make a backup of a service."""
    own = installation(service.settings.data, objects)
    return backup.backup(own, folder, lambda *_: None, **options)


def assert_restored(data: Path, objects: HourlyStore | None, issuer: Issuer) -> None:
    """Check that all files exist with their bytes."""
    store = None if objects is None else TimedStore(objects)
    found = assemble(settings_for(data), issuer, store)
    assert {key: found.content(key) for key in CONTENT} == CONTENT
    assert_sound(found)


def test_from_store_to_disk(
    service: UploadService, objects: HourlyStore, tmp_path: Path, issuer: Issuer
) -> None:
    """A backup of an object store can be restored to a disk, with progress at the terminal."""
    saves, restores = Told(), Told()
    folder, own = tmp_path / "backup", installation(service.settings.data, objects)
    counts = backup.backup(own, folder, saves)
    assert (counts.files, counts.copied_files, counts.missing) == (3, 3, 0)
    backup.restore(installation(tmp_path / "new"), folder, restores)
    for told in (saves, restores):
        told.assert_whole()
    assert_restored(tmp_path / "new", None, issuer)


def test_from_disk_to_store(upload: UploadService, tmp_path: Path, issuer: Issuer) -> None:
    """A restore of a disk's backup to an object store copies only blobs that the store lacks."""
    for key, content in CONTENT.items():
        upload.put(key, content)
    saved(upload, None, tmp_path / "backup")
    objects = HourlyStore()
    first = next(iter(upload.store.blobs()))
    with upload.store.open(first.name) as reader:
        objects.put(first.name, reader.read())
    own, told = installation(tmp_path / "new", objects), Told()
    counts = backup.restore(own, tmp_path / "backup", told)
    assert (counts.files, counts.copied_files, counts.missing) == (3, 2, 0)
    told.assert_whole()
    assert objects.listed == [None]
    assert_restored(tmp_path / "new", objects, issuer)


def test_a_second_backup(service: UploadService, objects: HourlyStore, tmp_path: Path) -> None:
    """A second backup reads only new blobs, and drops deleted blobs."""
    saved(service, objects, tmp_path / "backup")
    service.put("new", b"new")
    service.request("DELETE", "/v1/files/default/small")
    objects.opened.clear()
    counts = saved(service, objects, tmp_path / "backup")
    assert (counts.files, counts.copied_files, len(objects.opened)) == (3, 1, 1)
    found = [path for path in (tmp_path / "backup" / "tenants").rglob("*") if path.is_file()]
    assert len(found) == 3


def test_damaged_and_missing(service: UploadService, objects: HourlyStore, tmp_path: Path) -> None:
    """A backup leaves out missing and damaged blobs, and counts both kinds."""
    for key, content in (("small", b"CONTENT"), ("empty", None)):
        file = service.records.file("demo", "default", key)
        assert file is not None
        objects.delete(BlobName("demo", file.blob))
        if content is not None:
            objects.put(BlobName("demo", file.blob), content)
    counts = saved(service, objects, tmp_path / "backup")
    assert (counts.missing, counts.damaged, counts.copied_files) == (1, 1, 1)
    found = [path for path in (tmp_path / "backup" / "tenants").rglob("*") if path.is_file()]
    assert [path.stat().st_size for path in found] == [len(CONTENT["large"])]


def test_a_store_that_goes_away(
    service: UploadService,
    objects: HourlyStore,
    tmp_path: Path,
    issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A backup that fails leaves the earlier backup usable, and ends its own pause."""
    folder = tmp_path / "backup"
    saved(service, objects, folder)
    service.put("new", b"new")

    def away(_: BlobName) -> None:
        raise StoreError("away")

    with monkeypatch.context() as patched:
        patched.setattr(objects, "open", away)
        with pytest.raises(StoreError, match="away"):
            saved(service, objects, folder)
    assert not service.records.is_paused(1 << 50)
    backup.restore(installation(tmp_path / "new"), folder, lambda *_: None)
    assert_restored(tmp_path / "new", None, issuer)


def test_a_damaged_backup(
    service: UploadService,
    objects: HourlyStore,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Damaged bytes end the restore before any row is written, even if the store checks nothing."""
    saved(service, objects, tmp_path / "backup")
    (path,) = (path for path in (tmp_path / "backup").rglob("*/*/*/*") if path.stat().st_size == 7)
    path.chmod(0o600)
    path.write_bytes(b"CONTENT")
    own = installation(tmp_path / "new", Trusting())
    with pytest.raises(BackupError, match="1 files are not as they were saved"):
        backup.restore(own, tmp_path / "backup", lambda *_: None)
    assert str(path) in caplog.text
    assert not (tmp_path / "new" / "upload" / "upload.db").exists()


def test_links_need_a_disk(service: UploadService, objects: HourlyStore, tmp_path: Path) -> None:
    """`--link` with an object store is refused before anything is created."""
    own = installation(service.settings.data, objects)
    for run in (backup.backup, backup.restore):
        with pytest.raises(BackupError, match=r"^--link .* leave --link out$"):
            run(own, tmp_path / "backup", lambda *_: None, link=True)
    assert not (tmp_path / "backup").exists()


def test_records_only(
    service: UploadService, objects: HourlyStore, tmp_path: Path, issuer: Issuer
) -> None:
    """A backup of records alone leaves blobs in the bucket; a restore counts the missing blobs."""
    folder = tmp_path / "backup"
    counts = saved(service, objects, folder, records_only=True)
    assert (counts.files, counts.copied_files, objects.opened) == (3, 0, [])
    assert counts.bytes == sum(map(len, CONTENT.values()))
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "resumable", "upload.db"}
    assert json.loads((folder / "manifest.json").read_bytes())["records_only"] is True
    told = Told()
    counts = backup.restore(installation(tmp_path / "new", objects), folder, told)
    assert (counts.files, counts.copied_files, counts.missing) == (3, 0, 0)
    told.assert_whole()
    assert_restored(tmp_path / "new", objects, issuer)
    other = installation(tmp_path / "other", HourlyStore())
    assert backup.restore(other, folder, lambda *_: None).missing == 3


def test_records_of_a_whole_backup(
    service: UploadService, objects: HourlyStore, tmp_path: Path, issuer: Issuer
) -> None:
    """The rows alone can be restored from a whole backup if the bucket has all blobs."""
    saved(service, objects, tmp_path / "backup")
    own = installation(tmp_path / "new", objects)
    shutil.rmtree(tmp_path / "new")
    backup.restore(own, tmp_path / "backup", lambda *_: None, records_only=True)
    settings_for(tmp_path / "new")
    assert_restored(tmp_path / "new", objects, issuer)


def test_records_beside_a_disk(upload: UploadService, tmp_path: Path, issuer: Issuer) -> None:
    """The rows alone can be restored to a disk that has the blobs; missing blobs are counted."""
    for key, content in CONTENT.items():
        upload.put(key, content)
    saved(upload, None, tmp_path / "backup")
    for name, missing in (("new", 0), ("empty", len(CONTENT))):
        own = installation(tmp_path / name)
        if not missing:
            shutil.copytree(upload.settings.data / "tenants", tmp_path / name / "tenants")
        counts = backup.restore(own, tmp_path / "backup", lambda *_: None, records_only=True)
        assert (name, counts.missing, counts.copied_files) == (name, missing, 0)
    assert_restored(tmp_path / "new", None, issuer)


def test_nothing_to_move(service: UploadService, objects: HourlyStore, tmp_path: Path) -> None:
    """A restore is refused while the settings say that blobs are being moved."""
    saved(service, objects, tmp_path / "backup")
    own = installation(tmp_path / "new", objects, is_moving=True)
    with pytest.raises(BackupError, match=r"^an empty .* without WHARF_BLOB_OLD_URL$"):
        backup.restore(own, tmp_path / "backup", lambda *_: None)


def test_all_hours_are_swept_again(
    service: UploadService, objects: HourlyStore, tmp_path: Path
) -> None:
    """After a restore no hour counts as swept, because the bucket may be a restored one."""
    service.records.note_swept("bucket", 36_000)
    saved(service, objects, tmp_path / "backup")
    own = installation(tmp_path / "new", objects, place="bucket")
    backup.restore(own, tmp_path / "backup", lambda *_: None)
    assert own.records.swept_until("bucket") is None


def test_the_pause_does_not_come_back(
    service: UploadService, objects: HourlyStore, tmp_path: Path
) -> None:
    """A restore does not restore the pause during which the backup was made."""
    saved(service, objects, tmp_path / "backup")
    own = installation(tmp_path / "new")
    backup.restore(own, tmp_path / "backup", lambda *_: None)
    assert not own.pause.is_active()
    assert not own.records.is_paused(1 << 50)
