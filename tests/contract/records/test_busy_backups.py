"""A backup of a service that deletes, replaces, moves and sweeps during the
backup has every byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from servicekit.database import open_database, snapshots
from servicekit.testing import Issuer
from tests.servers.hourly_store import HourlyStore
from tests.servers.upload import UploadService, ages, assemble, issuer, settings_for
from tests.servers.upload_invariants import assert_sound
from wharf_upload import bootstrap
from wharf_upload.database.sql import SqlRecords
from wharf_upload.maintenance import backup
from wharf_upload.maintenance.collection_pause import GarbageCollectionPause
from wharf_upload.maintenance.installation import Installation
from wharf_upload.maintenance.sweeper import Sweeper, Swept
from wharf_upload.storage.timed import TimedStore

__all__ = ["issuer"]
# These tests compare all rows with all bytes, and the files of twin tenants have no bytes.
pytestmark = pytest.mark.usefixtures("all_tenants")
JSON = {"Content-Type": "application/json"}
CONTENT = {f"{name}.txt": name.encode() for name in ("deleted", "replaced", "moved", "kept")}


class Busy:
    """A running service, the installation that is backed up, and the changes during the backup."""

    def __init__(self, service: UploadService, objects: HourlyStore | None) -> None:
        self.service = service
        own = bootstrap.installation(service.settings)
        self.installation: Installation = replace(own, objects=opened(objects))
        self.changes = 0
        self._ended: frozenset[str] = frozenset()

    def sweep(self) -> Swept:
        """Run a sweeper as another process does, at a time when no leftover is too young."""
        data = self.service.settings.data
        database = open_database(self.service.settings.effective_database_url, durable=False)
        try:
            records = SqlRecords(database)
            pause = GarbageCollectionPause(records, None)
            later = lambda: 2_000_000_000.0  # noqa: E731 -- older than any lease
            return Sweeper(
                self.service.store,
                records,
                data / "spool",
                ages(),
                held=pause.is_active,
                clock=later,
                purged=lambda: self._ended,
            ).run()
        finally:
            database.close()

    def change(self) -> None:
        """Replace a file, store a new file, and sweep.

        The first call also deletes a file, moves a file and ends a tenant.
        """
        self.changes += 1
        put, request = self.service.put, self.service.request
        if self.changes == 1:
            self._ended = frozenset({"gone"})
            assert request("DELETE", "/v1/files/default/deleted.txt").status_code == 204
            moved = request("PATCH", "/v1/metadata/default/moved.txt", b'{"key": "to"}', JSON)
            assert moved.status_code == 200
        assert put("replaced.txt", f"{self.changes}".encode()).status_code in (200, 201)
        assert put(f"new/{self.changes}", b"new").status_code == 201
        self.sweep()


def opened(objects: HourlyStore | None) -> Any:
    """Return the function that opens the store of an installation, or `None` for the local disk."""
    return None if objects is None else lambda: TimedStore(objects)


@pytest.fixture(params=[False, True], ids=["disk", "objects"])
def objects(request: pytest.FixtureRequest) -> HourlyStore | None:
    """Return an object store, or `None` when the bytes are on the local disk."""
    return HourlyStore() if request.param else None


@pytest.fixture
def busy(
    database_url: str, objects: HourlyStore | None, tmp_path: Path, issuer: Issuer
) -> Iterator[Busy]:
    """Yield a service with some files. One file belongs to a tenant that ends during the backup."""
    settings = settings_for(tmp_path / "data", database_url=database_url, durability="relaxed")
    store = None if objects is None else TimedStore(objects)
    service = assemble(settings, issuer, store)
    for key, content in CONTENT.items():
        assert service.put(key, content).status_code == 201
    service.tenant = "gone"
    assert service.put("gone.txt", b"gone").status_code == 201
    service.tenant = "demo"
    yield Busy(service, objects)
    service.database.close()


def test_every_byte_of_a_busy_service(
    busy: Busy,
    objects: HourlyStore | None,
    tmp_path: Path,
    issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A backup contains the service at one moment, with all its bytes.

    Around each step of the backup, files are deleted, replaced and moved, a tenant ends
    and a sweeper runs.
    """
    save, folder = snapshots.save, tmp_path / "backup"

    def saved(*arguments: Any) -> None:
        # This sweep runs after the begin of the pause and before the backup reads the rows.
        busy.sweep()
        save(*arguments)
        busy.change()

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "save", saved)
        counts = backup.backup(busy.installation, folder, lambda *_: busy.change())
    assert (counts.files, counts.copied_files, counts.lost) == (5, 5, 0)
    assert busy.service.content("deleted.txt") is None
    # All deleted and replaced blobs stay in the store until the end of the backup.
    assert busy.sweep().deleted_blobs == 2 + busy.changes
    assert len(busy.service.blobs()) == len(list(busy.service.records.live_files()))

    new = settings_for(tmp_path / "new")
    counts = backup.restore(bootstrap.installation(new), folder, lambda *_: None)
    assert counts.lost == 0
    restored = assemble(new, issuer)
    assert {key: restored.content(key) for key in CONTENT} == CONTENT
    assert {file.key for file in restored.records.live_files()} == {*CONTENT, "gone.txt"}
    assert_sound(restored)
    restored.database.close()


def test_deleted_before_the_rows_are_read(
    busy: Busy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The garbage collection pause begins before the backup reads the rows, and ends with the
    backup.
    """
    save = snapshots.save

    def saved(*arguments: Any) -> None:
        assert GarbageCollectionPause(busy.service.records, None).is_active()
        save(*arguments)

    monkeypatch.setattr(snapshots, "save", saved)
    backup.backup(busy.installation, tmp_path / "backup", lambda *_: None)
    assert not busy.installation.pause.is_active()
