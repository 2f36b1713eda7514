"""One HTTP request on a connection, and its response."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from servicekit.outbound.connections import Connection, ReceivedTooMuch
from servicekit.outbound.errors import SendingFailed

MAX_HEAD_BYTES = 65_536
MAX_BODY_BYTES = 16_384
# The lengths of chunks, which are received in addition to the body.
_FRAMING_BYTES = 1024
# The fields that the sender writes, and those that change how a message is read.
_RESERVED = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "cookie", "expect", "host"),
        *("keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade", "user-agent"),
    }
)
_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
_MAX_RETRY_AFTER = 100


@dataclass(frozen=True, slots=True)
class Received:
    """A response: the body is cut after `MAX_BODY_BYTES`."""

    status: int
    retry_after: str | None
    body: bytes


class _Response(http.client.HTTPResponse):
    """A response that skips all interim responses; http.client skips only 100."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200 and self.status != http.client.SWITCHING_PROTOCOLS:
            # With `headers` set, `begin` does nothing.
            self.headers = None  # type: ignore[assignment]
            super().begin()


def check_fields(fields: Mapping[str, str]) -> None:
    """Raise `ValueError` for a field that could change the message or that the sender writes."""
    for name, value in fields.items():
        if not _FIELD_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a header field")
        if name.lower() in _RESERVED:
            raise ValueError(f"the sender itself writes the field {name}")
        if not _FIELD_VALUE.fullmatch(value):
            raise ValueError(f"the value of {name} is not printable ASCII")


def post(
    connection: Connection, authority: str, path: str, fields: Mapping[str, str], body: bytes
) -> Received:
    """Send a POST and return its response; raise `SendingFailed` or `TimeoutError`."""
    sent = {**fields, "Content-Length": str(len(body)), "Connection": "close"}
    with _requested(connection, "POST", path, {"Host": authority, **sent}, body) as response:
        if response.status == http.client.SWITCHING_PROTOCOLS:
            raise SendingFailed("protocol", "the receiver answered with 101 to a plain request")
        retry_after = response.headers.get("Retry-After")
        return Received(response.status, _cleaned(retry_after), _body_of(response, connection))


def connect_through(connection: Connection, authority: str) -> int:
    """Send a CONNECT to a proxy and return its status. After 200 the tunnel is open."""
    with _requested(connection, "CONNECT", authority, {"Host": authority}, b"") as response:
        return response.status


@contextmanager
def _requested(
    connection: Connection, method: str, target: str, fields: Mapping[str, str], body: bytes
) -> Iterator[http.client.HTTPResponse]:
    """Send a request and yield its response after the head."""
    exchange = http.client.HTTPConnection("unused")
    exchange.response_class = _Response
    # http.client opens no connection of its own if it has one.
    exchange.sock = connection
    connection.limit = MAX_HEAD_BYTES
    try:
        exchange.putrequest(method, target, skip_host=True)
        for name, value in (*fields.items(), ("User-Agent", "Wharf")):
            exchange.putheader(name, value)
        # A receiver may refuse a request, and close the connection, before it has read the body.
        with suppress(BrokenPipeError, ConnectionResetError):
            exchange.endheaders(body or None)
        with closing(exchange.getresponse()) as response:
            # http.client takes the end of the connection for the end of the head.
            if connection.ended:
                raise SendingFailed("protocol", "the response ended within its head")
            yield response
    except ReceivedTooMuch:
        raise SendingFailed(
            "protocol", f"the head of the response is larger than {MAX_HEAD_BYTES} bytes"
        ) from None
    except http.client.RemoteDisconnected:
        raise SendingFailed(
            "protocol", "the receiver closed the connection without a response"
        ) from None
    except http.client.IncompleteRead:
        raise SendingFailed("protocol", "the response ended within its body") from None
    except (http.client.HTTPException, ValueError):
        raise SendingFailed("protocol", "the response is not valid HTTP/1.1") from None


def _body_of(response: http.client.HTTPResponse, connection: Connection) -> bytes:
    """Return the first bytes of the body; raise `SendingFailed` if it ends too early."""
    connection.limit = MAX_BODY_BYTES + _FRAMING_BYTES
    body = b""
    try:
        while len(body) < MAX_BODY_BYTES:
            block = response.read1(MAX_BODY_BYTES - len(body))
            if not block:
                break
            body += block
    except ReceivedTooMuch:
        return body
    if len(body) < MAX_BODY_BYTES and response.length:
        raise SendingFailed("protocol", "the response ended within its body")
    return body[:MAX_BODY_BYTES]  # http.client reads more if a chunk has a negative size


def _cleaned(retry_after: Any) -> str | None:
    """Return the value of Retry-After if it can be one."""
    if not isinstance(retry_after, str) or len(retry_after) > _MAX_RETRY_AFTER:
        return None
    return retry_after if _FIELD_VALUE.fullmatch(retry_after) else None
