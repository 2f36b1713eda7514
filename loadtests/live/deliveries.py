"""The delay of events at clients, and the server's rate of answered messages."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from loadtests.live.engine import Listener
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.tenants import Signer

_PAUSE_SECONDS = 0.05


async def late(wharf: Wharf, uploads: int, listeners: int) -> list[float]:
    """Return the milliseconds from an event's time to its arrival, for each upload and listener."""
    signer = Signer(wharf)
    writer = signer.client()
    tokens = [signer.token(tid=writer.tenant, scope="events:read") for _ in range(listeners)]
    opened = [await Listener.open(wharf.port, token) for token in tokens]
    readers = [asyncio.create_task(_arrivals(one, uploads)) for one in opened]
    for number in range(uploads):
        await asyncio.to_thread(_upload, writer, number)
        await asyncio.sleep(_PAUSE_SECONDS)
    found = [one for reader in readers for one in await reader]
    for one in opened:
        await one.close()
    return found


def _upload(writer: ApiClient, number: int) -> None:
    writer.stored(f"{number}.txt")


async def _arrivals(listener: Listener, events: int) -> list[float]:
    found: list[float] = []
    while len(found) < events:
        name, document = await listener.next()
        if name == "event":
            at = datetime.fromisoformat(document["at"]).timestamp()
            found.append((time.time() - at) * 1000)
    return found


async def echoes(wharf: Wharf, connections: int, seconds: float) -> float:
    """Return how many pings a second the server answers; each connection waits for each answer."""
    signer = Signer(wharf)
    tokens = [signer.token(scope="events:read") for _ in range(connections)]
    opened = [await Listener.open(wharf.port, token) for token in tokens]
    end = time.monotonic() + seconds
    counts = await asyncio.gather(*(_echoed(one, end) for one in opened))
    for one in opened:
        await one.close()
    return sum(counts) / seconds


async def _echoed(listener: Listener, end: float) -> int:
    count = 0
    while time.monotonic() < end:
        await listener.say({"op": "ping"})
        name, document = await listener.next()
        assert (name, document["ok"]) == ("result", True), document
        count += 1
    return count
