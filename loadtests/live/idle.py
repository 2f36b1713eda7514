"""A process that keeps idle connections open: `python -m loadtests.live.idle`.

The process reads an `Order` from the first line of its input, and prints `open` when all
connections are open. When its input ends, the process prints how many connections were lost, and
ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress

import msgspec
from websockets.exceptions import ConnectionClosed

from loadtests.live.engine import Listener

#: The number of concurrent handshakes. More of them would wait in nginx.
_AT_ONCE = 20


class Order(msgspec.Struct, frozen=True):
    """The connections to open, by source address, each with its own token."""

    port: int
    tokens: list[str]
    sources: list[str]


async def hold(order: Order) -> None:
    """Open all connections, and answer heartbeats until the input ends.

    Then print how many connections were lost.
    """
    turns = asyncio.Semaphore(_AT_ONCE)

    async def opened(number: int, token: str) -> Listener:
        async with turns:
            source = order.sources[number % len(order.sources)]
            return await Listener.open(order.port, token, source)

    calls = (opened(number, token) for number, token in enumerate(order.tokens))
    listeners = await asyncio.gather(*calls)
    readers = [asyncio.create_task(_listen(listener)) for listener in listeners]
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for reader in readers:
        reader.cancel()
    print(json.dumps({"lost": sum(reader.done() for reader in readers)}), flush=True)


async def _listen(listener: Listener) -> None:
    """Answer heartbeats until the connection ends."""
    with suppress(ConnectionClosed):
        while True:
            await listener.next()


if __name__ == "__main__":
    asyncio.run(hold(msgspec.json.decode(sys.stdin.readline(), type=Order)))
