"""`/healthz`, `/readyz` and `/metrics`, as all services have them, over ASGI."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import msgspec

from servicekit.problems import METHOD, NOT_FOUND
from wharf_upload.live.answers import Receive, Scope, Send, answer, refuse
from wharf_upload.live.threads import Threads

log = logging.getLogger(__name__)
PATHS = frozenset(("/healthz", "/readyz", "/metrics"))
# Raises, or returns what is wrong, or `None` when all is well.
Check = Callable[[], str | None]
_JSON = [(b"content-type", b"application/json")]


class Health:
    """An ASGI application of three addresses."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        helpful: Mapping[str, Check],
        exposition: Callable[[], tuple[bytes, str]],
        threads: Threads,
    ) -> None:
        """Without a part of `checks` it is not ready, without one of `helpful` degraded.

        `exposition` returns the metrics and their media type; `threads` wait for the checks.
        """
        self._checks, self._helpful, self._threads = checks, helpful, threads
        self._exposition = exposition

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await refuse(scope, send, NOT_FOUND("Nothing is here."))
        elif scope["method"] not in {"GET", "HEAD"}:
            await refuse(scope, send, METHOD("Only read.", headers=(("Allow", "GET, HEAD"),)))
        elif scope["path"] == "/metrics":
            body, media_type = self._exposition()
            await answer(send, 200, [(b"content-type", media_type.encode())], body)
        elif scope["path"] == "/healthz":
            await answer(send, 200, _JSON, msgspec.json.encode({"status": "ok"}))
        else:
            await self._readyz(scope, send)

    async def _readyz(self, scope: Scope, send: Send) -> None:
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        left_out = {value for name, value in query if name == "exclude"}
        checks = {name: check for name, check in self._checks.items() if name not in left_out}
        if down := await self._threads.run(_failures, checks):
            body = msgspec.json.encode({"status": "unavailable", "down": down})
            await answer(send, 503, [*_JSON, (b"retry-after", b"1")], body)
            return
        missing = await self._threads.run(_failures, self._helpful)
        state = {"status": "degraded", "degraded": missing} if missing else {"status": "ready"}
        await answer(send, 200, _JSON, msgspec.json.encode(state))


def _failures(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return the parts that are down, with a word on why; never an address or a path."""
    down = {}
    for name, check in checks.items():
        try:
            error = check()
        except Exception as failure:  # noqa: BLE001 -- whatever it is, the part is not ready
            log.warning("readiness check %s failed: %s", name, failure)
            error = type(failure).__name__
        if error:
            down[name] = error
    return down
