"""Tests of how the parts of the live channel work together."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

from servicekit.tokens import Principal
from wharf_upload.domain.events import Event
from wharf_upload.live.answers import Message, Scope
from wharf_upload.live.app import Live
from wharf_upload.live.sse import SseConnection

MANY = 32


class Judge:
    """A judge that accepts every token."""

    def accept(self, token: str) -> str:
        """Return the token."""
        return token


class Records:
    """A table without events, whose check of an origin blocks until `answers` is set."""

    def __init__(self) -> None:
        self.answers = threading.Event()

    def events(self, *_: object) -> list[Event]:
        """Return no events."""
        return []

    def event_numbers_changed_at(self) -> int | None:
        """Return None, as in an installation whose event numbers never changed."""
        return None

    events_before = events

    def lists_origin(self, *_: object) -> bool:
        """Block until `answers` is set, then return False."""
        return not self.answers.wait()


def live_of(records: object) -> Live:
    """Return a channel that uses these records."""
    settings: Any = SimpleNamespace(
        live_connections_per_subject=1,
        live_connections_per_tenant=1,
        live_connections=1,
        live_queued_events=10,
        event_seconds=3600,
        live_takes_polling=False,
        live_message_bytes=1024,
        live_messages_per_second=1,
        issuer="https://files.example",
    )
    judge: Any = Judge()
    kept: Any = records
    return Live(settings, kept, judge)


def test_readiness_keeps_no_token_waiting() -> None:
    """While the database hangs, many requests for readiness do not delay the check of a token."""
    answers = threading.Event()

    async def ask() -> None:
        live = live_of(None)
        try:
            hanging = [asyncio.create_task(live.threads.run(answers.wait)) for _ in range(MANY)]
            await asyncio.sleep(0)
            async with asyncio.timeout(30):
                accepted: object = await live.hub.accept("token")
            assert accepted == "token"
        finally:
            answers.set()
            await asyncio.gather(*hanging)
            live.end()

    asyncio.run(ask())


def page_of(origin: str) -> Scope:
    """Return the request that a page of this origin sends for the stream."""
    headers = [(b"origin", origin.encode()), (b"host", b"files.example")]
    return {
        "type": "http",
        "method": "GET",
        "path": "/v1/events",
        "query_string": b"",
        "headers": headers,
    }


def test_strange_pages_keep_no_feed_waiting() -> None:
    """While the check of their origins hangs, many requests do not delay the reading of events."""
    records = Records()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        """Discard the message."""

    async def ask() -> None:
        live = live_of(records)
        pages = (page_of(f"https://{number}.example") for number in range(MANY))
        try:
            asking = [asyncio.create_task(live(page, receive, send)) for page in pages]
            await asyncio.sleep(0)
            somebody = Principal(
                tenant="t", subject="s", scopes=frozenset(), token_id="t", expires_at=1 << 40
            )
            listener = SseConnection(somebody, send)
            async with asyncio.timeout(30):
                await live.hub.join(listener, None)
            live.hub.leave(listener)
        finally:
            records.answers.set()
            await asyncio.gather(*asking)
            live.end()

    asyncio.run(ask())
