"""Deleted files' bytes stay while somebody copies the store."""

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
    """The pauses of an installation whose replicas share a disk."""
    return GarbageCollectionPause(upload.records, upload.settings.data)


def sweep(upload: UploadService) -> int:
    """How many deleted blobs a sweeper removed that looks for holds."""
    return swept(upload, pause_of(upload).is_active).deleted_blobs


def swept(upload: UploadService, held: Callable[[], bool]) -> Swept:
    """A run a little later: what was deleted in this very millisecond is old enough."""
    root, clock = upload.settings.spool_folder.parent, lambda: time.time() + 10
    return Sweeper(upload.store, upload.records, root, ages(), held=held, clock=clock).run()


def test_while_held(upload: UploadService) -> None:
    """A sweeper removes nothing that was deleted during a hold, and all of it afterwards."""
    upload.put("a", b"one")
    with pause_of(upload).hold():
        upload.put("a", b"two")
        upload.request("DELETE", "/v1/files/default/a")
        assert sweep(upload) == 0
        assert len(upload.blobs()) == 2
    assert sweep(upload) == 2
    assert upload.blobs() == set()


def test_asked_once_a_batch(upload: UploadService) -> None:
    """Holds are asked about once for a batch, after its rows were read."""
    for name in ("a", "b", "c"):
        upload.put(name, b"x")
        upload.request("DELETE", f"/v1/files/default/{name}")
    asked: list[int] = []

    def held() -> bool:
        # What is deleted now is not in the batch: whoever begins to copy now has no row of it.
        upload.put(f"d{len(asked)}", b"x")
        upload.request("DELETE", f"/v1/files/default/d{len(asked)}")
        asked.append(len(upload.blobs()))
        return len(asked) > 1

    assert swept(upload, held).deleted_blobs == 3
    assert asked == [4, 2]


def test_holds_that_cannot_be_seen(upload: UploadService) -> None:
    """While nobody can tell whether there is a hold, bytes stay, and all else is swept."""
    upload.put("a", b"one")
    upload.request("DELETE", "/v1/files/default/a")
    (upload.settings.spool_folder / "spooled").write_bytes(b"x")
    (upload.settings.data / "holds").write_bytes(b"no folder")
    found = swept(upload, pause_of(upload).is_active)
    assert (found.deleted_blobs, found.spool_files, found.failures) == (0, 1, 1)
    assert len(upload.blobs()) == 1


@pytest.mark.parametrize("shared", [True, False])
def test_two_at_once(upload: UploadService, *, shared: bool) -> None:
    """The end of one pause is not that of another, with and without a disk that all share."""
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
    """An earlier release sees the file of a pause, and its own file pauses this one's sweeper."""
    holds = upload.settings.data / "holds"
    with pause_of(upload).hold():
        assert len(list(holds.iterdir())) == 1
    (holds / "earlier").touch()
    assert pause_of(upload).is_active()
    assert not GarbageCollectionPause(upload.records, None).is_active()


def test_of_a_dead_copier(upload: UploadService) -> None:
    """A file that nobody has touched for long holds nothing, and goes when the next one comes."""
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
    """A copier makes the folder of pauses, and whatever is above it, for nobody else to see."""
    data = tmp_path / "new" / "data"
    with GarbageCollectionPause(upload.records, data).hold():
        (own,) = (data / "holds").iterdir()
        assert own.stat().st_mode & 0o777 == 0o600
        assert own.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_goes_meanwhile(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that ends while others look at its file, or take it for a dead one's, is no error."""
    pause, listdir = pause_of(upload), os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: [*listdir(folder), "ended"])
    with pause.hold():
        (own,) = listdir(upload.settings.data / "holds")
        (upload.settings.data / "holds" / own).unlink()
    assert not pause.is_active()


def age(upload: UploadService, seconds: float) -> None:
    """Make the last word of every copier so old, in its file and in its row."""
    with upload.database.transaction() as connection:
        connection.execute(
            "UPDATE collection_pauses SET touched_at = ?", (int((time.time() - seconds) * 1000),)
        )
    for path in (upload.settings.data / "holds").iterdir():
        os.utime(path, (time.time() - seconds,) * 2)


@pytest.mark.parametrize("shared", [True, False])
def test_ten_minutes(upload: UploadService, *, shared: bool) -> None:
    """A copier pauses for ten minutes after its last word, and not for longer."""
    pause = GarbageCollectionPause(upload.records, upload.settings.data if shared else None)
    with pause_of(upload).hold():
        age(upload, 595)
        assert pause.is_active()
        age(upload, 605)
        assert not pause.is_active()


def test_a_long_copy(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copier says again and again that it is at work, also after a word that was not heard."""
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
    """Nobody begins to copy who cannot say so, and then leaves no file behind."""

    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(upload.records, "touch_pause", away)
    with pytest.raises(DatabaseUnavailable), pause_of(upload).hold():
        pytest.fail("it held")
    assert not pause_of(upload).is_active()


def test_an_end_without_the_database(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that is made does not fail because nobody could say so: the pause ends by itself."""

    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(upload.records, "end_pause", away)
    with pause_of(upload).hold():
        pass
    assert list((upload.settings.data / "holds").iterdir()) == []
