"""How the live channel's process ends."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from wharf_upload.processes import live


class Hub:
    """One that somebody listens to until he is sent away at once."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.was_asked = asyncio.Event()

    async def drain(self, seconds: float) -> None:
        """Wait as long as it may."""
        self.asked.append(seconds)
        self.was_asked.set()
        if seconds:
            await asyncio.Event().wait()


def test_who_is_left_is_sent_away_at_once_when_that_is_wanted() -> None:
    """The end of all of Wharf waits for nobody who would be sent away one after the other."""
    hub, hurried = Hub(), asyncio.Event()

    async def end() -> None:
        channel: Any = SimpleNamespace(hub=hub)
        ending = asyncio.create_task(live._drain(channel, 600, hurried))
        await hub.was_asked.wait()
        hurried.set()
        await ending

    asyncio.run(end())
    assert hub.asked == [600, 0]
