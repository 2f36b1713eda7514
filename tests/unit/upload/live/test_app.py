"""How the parts of the channel are put together."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

from wharf_upload.live.app import Live

MANY = 32


class Judge:
    """Takes every token."""

    def accept(self, token: str) -> str:
        """Return it."""
        return token


def test_readiness_keeps_no_token_waiting() -> None:
    """However many ask for readiness while the database hangs, tokens are judged."""
    settings: Any = SimpleNamespace(
        live_connections_per_subject=1,
        live_connections_per_tenant=1,
        live_connections=1,
        live_queued_events=10,
        live_takes_polling=False,
        live_message_bytes=1024,
        live_messages_per_second=1,
        issuer="https://files.example",
    )
    anything: Any = SimpleNamespace()
    judge: Any = Judge()
    answers = threading.Event()

    async def ask() -> None:
        live = Live(settings, anything, judge)
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
