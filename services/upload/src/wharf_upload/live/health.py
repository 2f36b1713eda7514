"""The addresses `/healthz`, `/readyz` and `/metrics`, which each service has, over ASGI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import msgspec

from servicekit import readiness
from servicekit.problems import METHOD, NOT_FOUND
from servicekit.readiness import Check
from wharf_upload.live.answers import Receive, Scope, Send, answer, refuse
from wharf_upload.live.threads import Threads

PATHS = frozenset(("/healthz", "/readyz", "/metrics"))
_JSON = [(b"content-type", b"application/json")]


class Health:
    """An ASGI application with the three addresses."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        helpful: Mapping[str, Check],
        exposition: Callable[[], tuple[bytes, str]],
        threads: Threads,
    ) -> None:
        """Create the application.

        If one of `checks` fails, the process is not ready. If one of `helpful` fails, the process
        is degraded. `exposition` returns the metrics and their media type; `threads` run the
        checks.
        """
        self._checks, self._helpful, self._threads = checks, helpful, threads
        self._exposition = exposition

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI
        """Respond to a request."""
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await refuse(scope, send, NOT_FOUND("Nothing is here."))
        elif scope["method"] not in {"GET", "HEAD"}:
            refusal = METHOD(
                "This address supports only GET and HEAD.", headers=(("Allow", "GET, HEAD"),)
            )
            await refuse(scope, send, refusal)
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
        found = await self._threads.run(readiness.state, self._checks, self._helpful, left_out)
        body = msgspec.json.encode(found)
        if "down" in found:
            await answer(send, 503, [*_JSON, (b"retry-after", b"1")], body)
        else:
            await answer(send, 200, _JSON, body)
