"""Tests of the timeouts of silent connections and requests, and of the feed's polling."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from wharf_upload.domain.events import Event
from wharf_upload.live.feed import TenantFeed
from wharf_upload.live.gate import Gate
from wharf_upload.live.hub import Following
from wharf_upload.uploads.resumable import leases
from wharf_upload.uploads.resumable.leases import Leases, UploadBusy

UNKNOWN_SECONDS, BUSY_SECONDS = 10, 10


def test_who_sends_no_token_has_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport that becomes no connection within ten seconds is closed; a connection stays."""
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
    """A request for an upload whose lease another request has is refused after ten seconds."""
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
    """An event loop's selector that lets the waiting time pass immediately."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


def test_events_are_looked_for_each_second() -> None:
    """Without a notice the feed reads the events once a second."""
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
    """Do nothing, because no event is read."""
