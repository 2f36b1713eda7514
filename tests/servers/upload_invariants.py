"""What must hold for an upload service's data, whatever has happened to the service."""

from __future__ import annotations

import os

from tests.servers.upload import UploadService, faults_in_counts
from wharf_upload.domain.files import File
from wharf_upload.maintenance import integrity


def live(service: UploadService) -> dict[str, str]:
    """The keys of all live files with the digests that their records name."""
    return {file.key: file.sha256 for file in service.records.live_files()}


def assert_sound(service: UploadService) -> None:
    """Every row's bytes are there and are its own; usage is the sum of the rows."""
    assert list(integrity.faults(service.store, service.records, read_all=True)) == []
    assert faults_in_counts(service.database) == []
    assert uneventful(service) == []


def uneventful(service: UploadService) -> list[str]:
    """Live files without an event that tells of them."""
    rows = service.database.reading().rows("SELECT data FROM events WHERE kind <> 'quota.warning'")
    told = " ".join(row[0] for row in rows)
    return [file.key for file in service.records.live_files() if file.blob not in told]


def assert_nothing_else(service: UploadService) -> None:
    """After a sweep of everything unneeded, only the blobs of live files are left."""
    service.sweep()
    # What was given up within this very millisecond is swept now.
    service.sweep()
    files: list[File] = list(service.records.live_files())
    assert service.blobs() == {file.blob for file in files}
    assert list(service.store.leftovers()) == []
    # Blobs on an object store are made without it.
    staging = service.settings.data / "staging"
    assert not staging.exists() or os.listdir(staging) == []
    assert os.listdir(service.settings.spool_folder) == []
    assert service.records.pending_deletion(1 << 60, 10) == []
