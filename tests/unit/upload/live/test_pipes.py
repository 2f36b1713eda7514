"""Tests that the server cuts off a client that stopped reading, and no other client."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from wharf_upload.live.pipes import STUCK_SECONDS, Pipes


class Transport:
    """A transport that counts its aborts."""

    def __init__(self) -> None:
        self.aborts: list[bool] = []

    def abort(self) -> None:
        self.aborts.append(True)


class Protocol:
    """A connection as uvicorn has it, whose client reads when `reads` is set."""

    def __init__(self) -> None:
        self.transport, self.reads = Transport(), asyncio.Event()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await self.reads.wait()


def test_who_is_cut() -> None:
    """A client is cut off only if a message to this client has waited for too long."""

    async def scene() -> None:
        now = 0.0
        pipes = Pipes(lambda: now)
        stuck, late, idle = Protocol(), Protocol(), Protocol()
        sending = [
            asyncio.create_task(pipes.open(one.send).send({"type": "x"})) for one in (stuck, late)
        ]
        pipes.open(idle.send)
        await asyncio.sleep(0)
        now = STUCK_SECONDS
        pipes.cut_stuck()
        assert not stuck.transport.aborts
        late.reads.set()
        await sending[1]
        now += 1
        pipes.cut_stuck()
        assert len(stuck.transport.aborts) == 1
        assert not late.transport.aborts
        assert not idle.transport.aborts
        sending[0].cancel()

    asyncio.run(scene())


def test_a_closed_pipe_is_forgotten() -> None:
    """A closed pipe leaves nothing in memory."""

    async def scene() -> None:
        pipes, one = Pipes(), Protocol()
        pipe = pipes.open(one.send)
        pipes.close(pipe)
        pipes.close(pipe)
        assert not pipes._pipes

    asyncio.run(scene())
