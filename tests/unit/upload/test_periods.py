"""Periods of the background: how long a silent backup counts, how often the store is walked."""

from __future__ import annotations

import asyncio
import itertools
import os
import selectors
import threading
import time
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from tests.servers.upload import UploadService
from wharf_upload.domain.events import Event
from wharf_upload.live.feed import TenantFeed
from wharf_upload.live.gate import Gate
from wharf_upload.live.hub import Following
from wharf_upload.maintenance import worker_loop
from wharf_upload.maintenance.collection_pause import GarbageCollectionPause
from wharf_upload.maintenance.sweeper import Swept
from wharf_upload.maintenance.upload_sweeper import SweptUploads
from wharf_upload.uploads.resumable import leases
from wharf_upload.uploads.resumable.leases import Leases, UploadBusy

STALE_SECONDS, WALK_SECONDS, UNKNOWN_SECONDS, BUSY_SECONDS = 600, 3600, 10, 10


@pytest.mark.parametrize("shared", [True, False], ids=["file", "row"])
@pytest.mark.parametrize(("ago", "counts"), [(-5, True), (5, False)])
def test_a_silent_backup_counts_for_ten_minutes(
    upload: UploadService, ago: float, *, counts: bool, shared: bool
) -> None:
    """A backup of which nothing was heard holds deletions for ten minutes, and no longer."""
    pause = GarbageCollectionPause(upload.records, upload.settings.data if shared else None)
    silent = STALE_SECONDS + ago
    if shared:
        folder = upload.settings.data / "holds"
        folder.mkdir()
        (folder / "silent").touch()
        os.utime(folder / "silent", (time.time() - silent,) * 2)
    else:
        upload.records.touch_pause("silent")
        with upload.database.transaction() as connection:
            connection.execute(
                "UPDATE collection_pauses SET touched_at = touched_at - ?", (int(1000 * silent),)
            )
    assert pause.is_active() is counts


class Rounds:
    """A sweeper that notes whether it walked, and lets time pass."""

    def __init__(self, stop: threading.Event, steps: list[float]) -> None:
        self.now, self.walked = 1000.0, list[bool]()
        self._stop, self._steps = stop, steps

    def run(self, *, blobs: bool = True) -> Swept:
        self.walked.append(blobs)
        if self._steps:
            self.now += self._steps.pop(0)
        else:
            self._stop.set()
        return Swept()


def test_the_store_is_walked_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run walks over the store, and then the first one that comes an hour later."""
    stop = threading.Event()
    rounds = Rounds(stop, [WALK_SECONDS - 1, 1, WALK_SECONDS - 1, 2])
    monkeypatch.setattr(
        worker_loop, "time", SimpleNamespace(monotonic=lambda: rounds.now, time=time.time)
    )
    monkeypatch.setattr("wharf_upload.maintenance.worker_report.survey", lambda *_: None)
    kept: Any = SimpleNamespace(forget_old=lambda: 0)
    sweeper: Any = rounds
    overview: Any = None
    worker_loop.WorkerLoop(
        sweeper,
        SweptUploads,
        kept,
        overview,
        leases_are_shared=False,
        sweep_seconds=0,
        metrics_tenants=0,
        publish=lambda _: None,
    ).run(stop)
    assert rounds.walked == [True, False, True, False, True]


def test_who_sends_no_token_has_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport that is no connection is closed after ten seconds; one that is stays."""
    gate, closed, now = Gate.__new__(Gate), list[str](), [0.0]
    known: Any = SimpleNamespace(connections={"known": None})
    server: Any = SimpleNamespace(eio=SimpleNamespace(sockets={"known": 1, "unknown": 2}))
    hub: Any = SimpleNamespace(spawn=closed.append)
    gate._channel, gate._server, gate._hub, gate._since = known, server, hub, {}
    monkeypatch.setattr("wharf_upload.live.gate.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("wharf_upload.live.gate.close", lambda _, name: name)
    for seconds in (0.0, UNKNOWN_SECONDS - 0.5):
        now[0] = seconds
        gate.forget_unknown()
    assert closed == []
    now[0] = UNKNOWN_SECONDS + 0.5
    gate.forget_unknown()
    assert closed == ["unknown"]


def test_a_held_upload_is_waited_for_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants an upload that another request does not let go is refused after ten seconds."""
    held, now = Leases(), [100.0]

    def wait(seconds: float) -> bool:
        now[0] += seconds
        return False

    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(held._changed, "wait", wait)
    assert held.take_free("upload") is not None
    with pytest.raises(UploadBusy):
        held.take("upload")
    assert now[0] - 100 == pytest.approx(BUSY_SECONDS)


class Passing(selectors.EpollSelector):
    """Lets the time pass that somebody waits, at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


def test_events_are_looked_for_each_second() -> None:
    """Without any hint events are looked for once a second, so that none is heard of later."""
    asked: list[float] = []
    passing = Passing()
    loop = asyncio.SelectorEventLoop(passing)
    loop.time = lambda: passing.now  # type: ignore[method-assign]

    async def read(after: int, limit: int) -> list[Event]:
        asked.append(passing.now)
        return []

    async def follow() -> None:
        feed = TenantFeed(read, _write, 0, most_kept=10, look_seconds=Following.look_seconds)
        task = asyncio.create_task(feed.follow())
        await asyncio.sleep(10.5)
        task.cancel()

    with closing(loop):
        loop.run_until_complete(follow())
    pauses = [later - earlier for earlier, later in itertools.pairwise([0.0, *asked])]
    assert 10 <= len(asked) <= 12
    assert all(pause <= 1 for pause in pauses)


def _write(_: object) -> Any:
    """Nothing is written where nothing is read."""
