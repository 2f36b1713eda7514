"""Sweep, check, backup and restore with blobs on a real object store."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from servicekit.testing import Issuer
from tests.servers.object_stores import ObjectStore
from tests.servers.upload import UploadService, ages, assemble, settings_for
from tests.servers.upload_invariants import assert_sound
from wharf_upload import bootstrap
from wharf_upload.maintenance import backup
from wharf_upload.maintenance.blob_copies import Counts
from wharf_upload.maintenance.sweeper import Sweeper, Swept
from wharf_upload.settings import Settings
from wharf_upload.storage.base import BlobName

CONTENT = {"small": b"content", "empty": b"", "large": bytes(range(256)) * 4096}
_HOUR = 3600


@dataclass(frozen=True)
class Bucket:
    """A bucket for one test, with the settings of a Wharf that uses it."""

    server: ObjectStore
    name: str
    keys: Path

    def settings(self, data: Path) -> Settings:
        """Return the settings of a service with this folder of data."""
        return settings_for(
            data,
            blob_url=self.server.url(self.name, "some/prefix"),
            blob_key_file=str(self.keys),
            blob_ca=self.server.ca,
        )


@pytest.fixture
def bucket(radosgw: ObjectStore, tmp_path: Path) -> Bucket:
    """Return an empty bucket."""
    return Bucket(radosgw, radosgw.new_bucket(), radosgw.key_file(tmp_path))


def service_in(settings: Settings, issuer: Issuer) -> UploadService:
    """Return a service with the store that the settings name."""
    return assemble(settings, issuer, bootstrap.open_store(settings))


@pytest.fixture
def service(bucket: Bucket, upload_data: Path, issuer: Issuer) -> UploadService:
    """Return a service whose blobs are in the bucket, with some files."""
    service = service_in(bucket.settings(upload_data), issuer)
    for key, content in CONTENT.items():
        assert service.put(key, content).status_code == 201
    return service


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `wharf-upload` with these settings."""
    environ = {
        "WHARF_DATA": str(settings.data),
        "WHARF_BLOB_URL": settings.blob_url,
        "WHARF_BLOB_KEY_FILE": settings.blob_key_file,
        "WHARF_BLOB_CA": settings.blob_ca,
    }
    kept = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
    return subprocess.run(
        [Path(sys.executable).with_name("wharf-upload"), *arguments],
        env={**kept, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_restored(settings: Settings, issuer: Issuer) -> None:
    """Assert that all files exist with their bytes."""
    found = service_in(settings, issuer)
    assert {key: found.content(key) for key in CONTENT} == CONTENT
    assert_sound(found)


def saved(settings: Settings, folder: Path, **options: bool) -> Counts:
    """Back up the installation of these settings, and return the counts of the backup."""
    return backup.backup(bootstrap.installation(settings), folder, lambda *_: None, **options)


def restored(settings: Settings, folder: Path) -> Counts:
    """Restore a backup into the installation of these settings, and return the counts of the
    restore.
    """
    return backup.restore(bootstrap.installation(settings), folder, lambda *_: None)


def test_out_of_a_bucket_and_into_another(
    service: UploadService, bucket: Bucket, tmp_path: Path, issuer: Issuer
) -> None:
    """A backup of a bucket can be restored to a disk, and a backup of the
    disk into another bucket.
    """
    assert saved(service.settings, tmp_path / "backup").copied_files == 3
    disk = settings_for(tmp_path / "disk")
    assert restored(disk, tmp_path / "backup").copied_files == 3
    assert_restored(disk, issuer)
    saved(disk, tmp_path / "second")
    other = replace(bucket, name=bucket.server.new_bucket())
    settings = other.settings(tmp_path / "other")
    assert restored(settings, tmp_path / "second").copied_files == 3
    assert_restored(settings, issuer)
    assert len(other.server.keys(other.name)) == 3


def test_records_only(
    service: UploadService, bucket: Bucket, tmp_path: Path, issuer: Issuer
) -> None:
    """A restore of records alone uses the existing blobs, and counts missing ones."""
    folder = tmp_path / "backup"
    assert saved(service.settings, folder, records_only=True).copied_files == 0
    settings = bucket.settings(tmp_path / "new")
    assert restored(settings, folder).missing == 0
    assert_restored(settings, issuer)
    file = service.records.file("demo", "default", "small")
    assert file is not None
    service.store.delete(BlobName("demo", file.blob))
    done = command(bucket.settings(tmp_path / "third"), "restore", str(folder))
    assert (done.returncode, "missing: 1\n" in done.stdout) == (1, True), done.stderr


def test_check(service: UploadService) -> None:
    """`check` names missing and cut files as faults, and blobs without a row as leftovers."""
    assert_sound(service)
    files = {file.key: BlobName("demo", file.blob) for file in service.records.live_files()}
    service.store.delete(files["small"])
    service.store.delete(files["large"])
    service.store.put(files["large"], b"cut")
    left = old_name(time.time() - 48 * _HOUR)
    service.store.put(left, b"left")
    service.store.put(old_name(time.time()), b"under way")
    done = command(service.settings, "check")
    assert done.returncode == 1, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        f"demo/default/large: has 3 bytes instead of {len(CONTENT['large'])}",
        "demo/default/small: its bytes are missing",
        f"demo: blob {left.blob}: no record names its 4 bytes",
        "faults: 2",
        "leftovers: 1",
    ]


def old_name(made_at: float) -> BlobName:
    """Return the name of a blob that was made at this time."""
    return BlobName("demo", f"{int(1000 * made_at):012x}{uuid4().hex[12:]}")


def sweep(service: UploadService, ahead: float, *, all_hours: bool = False) -> Swept:
    """Run a sweep whose clock is ahead by `ahead` seconds. Leases and deleted blobs are swept after
    an hour.
    """
    return Sweeper(
        service.store,
        service.records,
        service.settings.spool_folder.parent,
        ages(_HOUR),
        clock=lambda: time.time() + ahead,
        place="bucket",
    ).run(all_hours=all_hours)


def test_sweep(service: UploadService, bucket: Bucket) -> None:
    """A sweep removes rowless blobs, deleted files and broken uploads from the hours that it
    searches, and no live file.
    """
    store, now = service.store, time.time()
    store.put(old_name(now - 1000 * _HOUR), b"orphan")
    assert sweep(service, 0).rowless_blobs == 1
    # A sweep has read this hour a moment ago, so only the command reads it again.
    store.put(old_name(now - 900 * _HOUR), b"late")
    store.put(old_name(now + 10), b"new")
    service.request("DELETE", "/v1/files/default/small")
    hour, name = time.strftime("%Y%m%d%H", time.gmtime(now)), old_name(now)
    key = f"some/prefix/{hour}/demo/{name.blob}"
    bucket.server.client.create_multipart_upload(Bucket=bucket.name, Key=key)
    assert not any(sweep(service, 0).counts().values())
    swept = sweep(service, 4 * _HOUR)
    assert (swept.rowless_blobs, swept.deleted_blobs, swept.leftovers) == (1, 1, 1)
    assert swept.failures == 0
    assert bucket.server.unfinished(bucket.name) == []
    assert sweep(service, 4 * _HOUR, all_hours=True).rowless_blobs == 1
    assert len(bucket.server.keys(bucket.name)) == 2
    assert {service.content("empty"), service.content("large")} == {b"", CONTENT["large"]}
