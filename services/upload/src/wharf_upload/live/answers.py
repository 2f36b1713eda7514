"""Functions that send problems and other short HTTP responses over ASGI."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from servicekit.ids import uuid7_hex
from servicekit.problems import CONTENT_TYPE, ProblemError
from wharf_upload.live import metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Fields = list[tuple[bytes, bytes]]
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")


def field(scope: Scope, name: bytes) -> str:
    """Return a header field of a request: repeated fields joined by commas, or an empty text."""
    found = [value for key, value in scope["headers"] if key == name]
    return b", ".join(found).decode("latin-1")


def request_id(scope: Scope) -> str:
    """Return the request id that the gateway set, or a new id if the request has none."""
    given = field(scope, b"x-request-id")
    return given if _REQUEST_ID.match(given) else uuid7_hex()


async def answer(send: Send, status: int, fields: Fields, body: bytes) -> None:
    """Send a complete response."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*fields, length]})
    await send({"type": "http.response.body", "body": body})


def problem_parts(scope: Scope, error: ProblemError) -> tuple[int, Fields, bytes]:
    """Return status, header fields and body of a problem, and count the refusal."""
    metrics.refusals.labels(error.problem.slug).inc()
    fields = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"cache-control", b"no-store"),
        *((name.lower().encode(), value.encode("latin-1")) for name, value in error.headers),
    ]
    return error.problem.status, fields, error.body(request_id(scope))


async def refuse(scope: Scope, send: Send, error: ProblemError, fields: Fields = []) -> None:  # noqa: B006 -- never changed
    """Send a problem as the response to a request."""
    status, own, body = problem_parts(scope, error)
    await answer(send, status, [*own, *fields], body)


async def refuse_websocket(scope: Scope, receive: Receive, send: Send, error: ProblemError) -> None:
    """Send a problem as the response to a WebSocket handshake.

    If the ASGI server cannot send a response to a handshake, close the WebSocket with code 1008.
    """
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        metrics.refusals.labels(error.problem.slug).inc()
        await send({"type": "websocket.close", "code": 1008})
        return
    status, fields, body = problem_parts(scope, error)
    await send({"type": "websocket.http.response.start", "status": status, "headers": fields})
    await send({"type": "websocket.http.response.body", "body": body})
