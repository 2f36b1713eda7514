"""How the parts of the channel are put together."""

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
    """Takes every token."""

    def accept(self, token: str) -> str:
        """Return it."""
        return token


class Records:
    """A table of events without any; whether an origin is listed takes until `answers`."""

    def __init__(self) -> None:
        self.answers = threading.Event()

    def events(self, *_: object) -> list[Event]:
        """Return none."""
        return []

    def event_numbers_changed_at(self) -> int | None:
        """Nobody has a number."""
        return None

    events_before = events

    def lists_origin(self, *_: object) -> bool:
        """Wait, and say no."""
        return not self.answers.wait()


def live_of(records: object) -> Live:
    """Return a channel on these records."""
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
    """However many ask for readiness while the database hangs, tokens are judged."""
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
    """Return a request for the stream by a page of this origin."""
    headers = [(b"origin", origin.encode()), (b"host", b"files.example")]
    return {
        "type": "http",
        "method": "GET",
        "path": "/v1/events",
        "query_string": b"",
        "headers": headers,
    }


def test_strange_pages_keep_no_feed_waiting() -> None:
    """However many pages of other origins ask, without a token, events are read."""
    records = Records()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        """Nobody reads."""

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
