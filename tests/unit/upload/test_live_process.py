"""Test of how the live channel's process ends."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from wharf_upload.processes import live


class Hub:
    """A hub with a listener that stays until `drain` is called without time to wait."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.was_asked = asyncio.Event()

    async def drain(self, seconds: float) -> None:
        """Wait forever if time is allowed; otherwise disconnect the listener and return."""
        self.asked.append(seconds)
        self.was_asked.set()
        if seconds:
            await asyncio.Event().wait()


def test_who_is_left_is_sent_away_at_once_when_that_is_wanted() -> None:
    """On shutdown of all services the drain of listeners is cut short."""
    hub, hurried = Hub(), asyncio.Event()

    async def end() -> None:
        channel: Any = SimpleNamespace(hub=hub)
        ending = asyncio.create_task(live._drain(channel, 600, hurried))
        await hub.was_asked.wait()
        hurried.set()
        await ending

    asyncio.run(end())
    assert hub.asked == [600, 0]
