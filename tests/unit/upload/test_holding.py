"""Tests of the garbage collection pause: deleted blobs stay while the store is copied."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from servicekit.database import DatabaseUnavailable
from tests.servers.upload import UploadService, ages
from wharf_upload.maintenance import collection_pause
from wharf_upload.maintenance.collection_pause import GarbageCollectionPause
from wharf_upload.maintenance.sweeper import Sweeper, Swept


def pause_of(upload: UploadService) -> GarbageCollectionPause:
    """Return the pauses of an installation whose replicas share a disk."""
    return GarbageCollectionPause(upload.records, upload.settings.data)


def sweep(upload: UploadService) -> int:
    """Sweep with a check for pauses, and return the number of deleted blobs that were removed."""
    return swept(upload, pause_of(upload).is_active).deleted_blobs


def swept(upload: UploadService, held: Callable[[], bool]) -> Swept:
    """Sweep a little later, so that a blob deleted in this millisecond is old enough."""
    root, clock = upload.settings.spool_folder.parent, lambda: time.time() + 10
    return Sweeper(upload.store, upload.records, root, ages(), held=held, clock=clock).run()


def test_while_held(upload: UploadService) -> None:
    """The sweeper removes blobs that were deleted during a pause only after the pause."""
    upload.put("a", b"one")
    with pause_of(upload).hold():
        upload.put("a", b"two")
        upload.request("DELETE", "/v1/files/default/a")
        assert sweep(upload) == 0
        assert len(upload.blobs()) == 2
    assert sweep(upload) == 2
    assert upload.blobs() == set()


def test_asked_once_a_batch(upload: UploadService) -> None:
    """The sweeper checks for a pause once for each batch, after it has read the batch's rows."""
    for name in ("a", "b", "c"):
        upload.put(name, b"x")
        upload.request("DELETE", f"/v1/files/default/{name}")
    asked: list[int] = []

    def held() -> bool:
        # A file deleted now is not in the batch, and a copy that begins now has no row of it.
        upload.put(f"d{len(asked)}", b"x")
        upload.request("DELETE", f"/v1/files/default/d{len(asked)}")
        asked.append(len(upload.blobs()))
        return len(asked) > 1

    assert swept(upload, held).deleted_blobs == 3
    assert asked == [4, 2]


def test_holds_that_cannot_be_seen(upload: UploadService) -> None:
    """If the check for a pause fails, the sweeper keeps blobs and sweeps everything else."""
    upload.put("a", b"one")
    upload.request("DELETE", "/v1/files/default/a")
    (upload.settings.spool_folder / "spooled").write_bytes(b"x")
    (upload.settings.data / "holds").write_bytes(b"no folder")
    found = swept(upload, pause_of(upload).is_active)
    assert (found.deleted_blobs, found.spool_files, found.failures) == (0, 1, 1)
    assert len(upload.blobs()) == 1


@pytest.mark.parametrize("shared", [True, False])
def test_two_at_once(upload: UploadService, *, shared: bool) -> None:
    """The end of one pause does not end another, with and without a shared disk."""
    data = upload.settings.data if shared else None
    pause = GarbageCollectionPause(upload.records, data)
    with pause.hold():
        with pause.hold():
            assert pause.is_active()
        assert pause.is_active()
        assert (upload.settings.data / "holds").exists() is shared
    assert not pause.is_active()
    assert not shared or list((upload.settings.data / "holds").iterdir()) == []


def test_two_releases(upload: UploadService) -> None:
    """An earlier release sees the file of a pause, and a file of an earlier release is a pause."""
    holds = upload.settings.data / "holds"
    with pause_of(upload).hold():
        assert len(list(holds.iterdir())) == 1
    (holds / "earlier").touch()
    assert pause_of(upload).is_active()
    assert not GarbageCollectionPause(upload.records, None).is_active()


def test_of_a_dead_copier(upload: UploadService) -> None:
    """An old file of a pause is ignored, and the next pause removes it."""
    pause, holds = pause_of(upload), upload.settings.data / "holds"
    holds.mkdir()
    left = holds / "left"
    left.touch()
    assert pause.is_active()
    os.utime(left, (time.time() - 3600,) * 2)
    assert not pause.is_active()
    with pause.hold():
        assert not left.exists()
        assert pause.is_active()


def test_on_a_new_disk(upload: UploadService, tmp_path: Path) -> None:
    """A pause creates its folder, and folders above it, readable by the owner only."""
    data = tmp_path / "new" / "data"
    with GarbageCollectionPause(upload.records, data).hold():
        (own,) = (data / "holds").iterdir()
        assert own.stat().st_mode & 0o777 == 0o600
        assert own.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_goes_meanwhile(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause whose file vanishes during a check is not an error."""
    pause, listdir = pause_of(upload), os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: [*listdir(folder), "ended"])
    with pause.hold():
        (own,) = listdir(upload.settings.data / "holds")
        (upload.settings.data / "holds" / own).unlink()
    assert not pause.is_active()


def age(upload: UploadService, seconds: float) -> None:
    """Set the last sign of life of every pause to an age, in its file and its row."""
    with upload.database.transaction() as connection:
        connection.execute(
            "UPDATE collection_pauses SET touched_at = ?", (int((time.time() - seconds) * 1000),)
        )
    for path in (upload.settings.data / "holds").iterdir():
        os.utime(path, (time.time() - seconds,) * 2)


@pytest.mark.parametrize("shared", [True, False])
def test_ten_minutes(upload: UploadService, *, shared: bool) -> None:
    """A pause lasts ten minutes after its last sign of life, and no longer."""
    pause = GarbageCollectionPause(upload.records, upload.settings.data if shared else None)
    with pause_of(upload).hold():
        age(upload, 595)
        assert pause.is_active()
        age(upload, 605)
        assert not pause.is_active()


def test_a_long_copy(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause renews its sign of life regularly, even after a renewal that failed."""
    told, touch = 0, upload.records.touch_pause

    def sometimes(holder: str) -> None:
        nonlocal told
        told += 1
        if told == 2:
            raise DatabaseUnavailable("away")
        if told == 3:
            raise OSError(5, "Input/output error")
        touch(holder)

    monkeypatch.setattr(upload.records, "touch_pause", sometimes)
    monkeypatch.setattr(collection_pause, "_TOUCH_SECONDS", 0.02)
    with pause_of(upload).hold():
        age(upload, 3600)
        heard, deadline = told + 4, time.monotonic() + 30
        while told < heard and time.monotonic() < deadline:
            time.sleep(0.01)
        assert told >= heard
        assert GarbageCollectionPause(upload.records, None).is_active()
        assert all(
            time.time() - path.stat().st_mtime < 60
            for path in (upload.settings.data / "holds").iterdir()
        )
    ended = told
    time.sleep(0.1)
    assert told == ended


def test_a_database_that_is_away(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that cannot be written raises an error before the copy, and leaves no file."""

    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(upload.records, "touch_pause", away)
    with pytest.raises(DatabaseUnavailable), pause_of(upload).hold():
        pytest.fail("it held")
    assert not pause_of(upload).is_active()


def test_an_end_without_the_database(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy succeeds even if its pause's row cannot be removed: the row expires."""

    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(upload.records, "end_pause", away)
    with pause_of(upload).hold():
        pass
    assert list((upload.settings.data / "holds").iterdir()) == []
