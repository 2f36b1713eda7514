"""Invariants of an upload service's data after any incident."""

from __future__ import annotations

import os

from tests.servers.upload import UploadService, faults_in_counts
from wharf_upload.domain.files import File
from wharf_upload.maintenance import integrity


def live(service: UploadService) -> dict[str, str]:
    """Return the keys of all live files with the digests in their records."""
    return {file.key: file.sha256 for file in service.records.live_files()}


def assert_sound(service: UploadService) -> None:
    """Assert that every row has its bytes and its event, and that usage is the sum of the rows."""
    assert list(integrity.faults(service.store, service.records, read_all=True)) == []
    assert faults_in_counts(service.database) == []
    assert uneventful(service) == []


def uneventful(service: UploadService) -> list[str]:
    """Return the keys of live files without an event."""
    rows = service.database.reading().rows("SELECT data FROM events WHERE kind <> 'quota.warning'")
    told = " ".join(row[0] for row in rows)
    return [file.key for file in service.records.live_files() if file.blob not in told]


def assert_nothing_else(service: UploadService) -> None:
    """Assert that after a sweep of all leftovers only the blobs of live files are left."""
    service.sweep()
    # The second sweep removes leftovers that were written in the millisecond of the first sweep.
    service.sweep()
    files: list[File] = list(service.records.live_files())
    assert service.blobs() == {file.blob for file in files}
    assert list(service.store.leftovers()) == []
    # An object store needs no staging folder.
    staging = service.settings.data / "staging"
    assert not staging.exists() or os.listdir(staging) == []
    assert os.listdir(service.settings.spool_folder) == []
    assert service.records.pending_deletion(1 << 60, 10) == []
