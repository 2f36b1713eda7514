"""A proxy in front of an object store that misbehaves on demand.

The proxy recognises the operations of S3 and applies the faults that a test has ordered. A `Fault`
gets the exchange, and decides whether the store gets the request and how the proxy responds.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

_BLOCK_BYTES = 1 << 20
_SECONDS = 60
# Fields of one connection, not of the message.
_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}
_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
_BY_QUERY = {
    ("POST", "uploads"): "create_multipart",
    ("PUT", "partNumber"): "upload_part",
    ("POST", "uploadId"): "complete_multipart",
    ("DELETE", "uploadId"): "abort_multipart",
    ("POST", "delete"): "delete",
    ("GET", "uploads"): "list_multiparts",
    ("GET", "list-type"): "list",
}
_BY_METHOD = {"PUT": "put", "GET": "get", "HEAD": "head", "DELETE": "delete"}


class Cut(Exception):
    """The error that ends the connection."""


class Reply(NamedTuple):
    """A response of the store. If the store stated the body's length, the body is in `source`."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes = b""
    source: http.client.HTTPResponse | None = None


def error(status: int, code: str) -> Reply:
    """Return an error in the format of S3."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>test</Message></Error>"
    return Reply(status, [("Content-Type", "application/xml")], body.encode())


class Exchange:
    """One request of a client. Its head was received, its body was not read yet."""

    def __init__(self, handler: _Handler, operation: str) -> None:
        self.operation, self._handler = operation, handler
        self.proxy = handler.server.proxy
        self._left = int(handler.headers.get("Content-Length") or 0)

    def passed_on(self, change: Callable[[bytes], bytes] = lambda block: block) -> Reply:
        """Pass the request to the store with `change` applied to the first block of the body.

        Return the store's response.
        """
        store = http.client.HTTPConnection(*self.proxy.store, timeout=_SECONDS)
        try:
            answer = self._answer(store, change)
        except BaseException:
            # The client was killed while it sent its body.
            store.close()
            raise
        fields = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        if answer.getheader("Content-Length") is None:
            return Reply(answer.status, fields, answer.read())
        return Reply(answer.status, fields, source=answer)

    def _answer(
        self, store: http.client.HTTPConnection, change: Callable[[bytes], bytes]
    ) -> http.client.HTTPResponse:
        handler = self._handler
        store.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
        for name, value in handler.headers.items():
            if name.lower() not in _HOP:
                store.putheader(name, value)
        store.putheader("Connection", "close")
        store.endheaders()
        for number, block in enumerate(self._body()):
            store.send(change(block) if number == 0 else block)
        return store.getresponse()

    def read(self) -> bytes:
        """Read the body, as a store does before it refuses the request."""
        return b"".join(self._body())

    def is_last(self) -> None:
        """Let the connection end after the response."""
        self._handler.close_connection = True

    def wait_for_end(self) -> None:
        """Return when the client has disconnected, after `heal`, or after 60 seconds."""
        until = time.monotonic() + _SECONDS
        connection = self._handler.connection
        connection.settimeout(0.02)
        while not self.proxy.healed.is_set() and time.monotonic() < until:
            with suppress(TimeoutError):
                if not connection.recv(1, socket.MSG_PEEK):
                    return
                time.sleep(0.02)

    def _body(self) -> Iterator[bytes]:
        while self._left:
            block = self._handler.rfile.read(min(_BLOCK_BYTES, self._left))
            if not block:
                raise Cut
            self._left -= len(block)
            yield block


Fault = Callable[[Exchange], Reply]


def well(exchange: Exchange) -> Reply:
    """Pass the request on without a fault."""
    return exchange.passed_on()


def silent(exchange: Exchange) -> Reply:
    """Read the request, do not pass it on, and never respond."""
    exchange.read()
    exchange.wait_for_end()
    raise Cut


def swallow(exchange: Exchange) -> Reply:
    """Let the store perform the operation, and never respond."""
    reply = exchange.passed_on()
    _finish(reply)
    exchange.wait_for_end()
    raise Cut


def cut(exchange: Exchange) -> Reply:
    """Let the store perform the operation, and break the connection."""
    _finish(exchange.passed_on())
    raise Cut


def cut_before(exchange: Exchange) -> Reply:
    """Break the connection before the store gets the request."""
    raise Cut


def flip(exchange: Exchange) -> Reply:
    """Change a bit of the first byte of the request's body."""
    return exchange.passed_on(lambda block: bytes([block[0] ^ 1]) + block[1:])


def half(exchange: Exchange) -> Reply:
    """Break the connection in the middle of the response's body."""
    reply = exchange.passed_on()
    assert reply.source is not None
    with reply.source as source:
        body = source.read()
    exchange.is_last()
    return Reply(reply.status, reply.fields, body[: len(body) // 2])


def late(seconds: float) -> Fault:
    """Let the store perform the operation, and respond some seconds later."""

    def fault(exchange: Exchange) -> Reply:
        reply = exchange.passed_on()
        time.sleep(seconds)
        return reply

    return fault


def answer(status: int, code: str) -> Fault:
    """Read the request, do not pass it on, and respond with an error document. `status`
    may be 200.
    """

    def fault(exchange: Exchange) -> Reply:
        exchange.read()
        return error(status, code)

    return fault


class Stop:
    """A point at which a request stops, so that the test can kill its sender."""

    def __init__(self, *, after: bool) -> None:
        """Stop after the store has performed the operation (`after`), or before
        it gets the request.
        """
        self._after = after
        self.reached, self.released = threading.Event(), threading.Event()

    def __call__(self, exchange: Exchange) -> Reply:
        """Set `reached`, wait until the test sets `released`, and break the connection."""
        if self._after:
            _finish(exchange.passed_on())
        self.reached.set()
        self.released.wait(_SECONDS)
        raise Cut


class _Order:
    """The faults of an operation: some for one request each, then the last one
    for all further requests.
    """

    def __init__(self, faults: tuple[Fault, ...], last: Fault) -> None:
        self._faults, self._last = iter(faults), last

    def next(self) -> Fault:
        return next(self._faults, self._last)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (Cut, ConnectionError, TimeoutError):
            self.close_connection = True

    def do(self) -> None:
        """Serve one request with any method."""
        operation = _operation(self.command, self.path)
        reply = self.server.proxy.fault_of(operation)(Exchange(self, operation))
        self.send_response_only(reply.status)
        for name, value in reply.fields:
            self.send_header(name, value)
        names = {name.lower() for name, _ in reply.fields}
        if "content-length" not in names and reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        if reply.source is not None:
            with reply.source as source:
                while block := source.read(_BLOCK_BYTES):
                    self.wfile.write(block)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
        """Log nothing."""


for _method in _METHODS:
    setattr(_Handler, f"do_{_method}", _Handler.do)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    proxy: FaultyStore

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, _Handler)
        self._connections: set[socket.socket] = set()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.discard(request)

    def cut_all(self) -> None:
        """Break all connections."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors, because tests let clients disconnect on purpose."""


class FaultyStore:
    """The proxy, listening on a separate port. Without orders it passes everything on."""

    def __init__(self, endpoint: str) -> None:
        """Start the proxy. `endpoint` is the URL of the real store, without TLS."""
        parts = urlsplit(endpoint)
        self.store = (str(parts.hostname), int(parts.port or 80))
        self.seen: list[str] = []
        self.healed = threading.Event()
        self._orders: dict[str, _Order] = {}
        self._lock = threading.Lock()
        self._server = self._listen(0)
        self._port = int(self._server.server_address[1])

    @property
    def endpoint(self) -> str:
        """Return the URL of the proxy."""
        return f"http://127.0.0.1:{self._port}"

    def order(self, operation: str, *faults: Fault, last: Fault = well) -> None:
        """Apply the faults to the next requests of an operation (`*`: of any), and `last`
        to all later requests.
        """
        self.healed.clear()
        self._orders[operation] = _Order(faults, last)

    def heal(self) -> None:
        """Remove all orders, clear `seen`, and let `silent` and `swallow` break their
        connections.
        """
        self._orders.clear()
        self.seen.clear()
        self.healed.set()

    def fault_of(self, operation: str) -> Fault:
        """Return the fault for the current request."""
        with self._lock:
            self.seen.append(operation)
            order = self._orders.get(operation) or self._orders.get("*")
            return order.next() if order is not None else well

    @contextmanager
    def down(self) -> Iterator[None]:
        """Refuse all connections during the block."""
        self.close()
        try:
            yield
        finally:
            self._server = self._listen(self._port)

    def close(self) -> None:
        """Stop listening and break all connections."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_all()

    def _listen(self, port: int) -> _Server:
        server = _Server(("127.0.0.1", port))
        server.proxy = self
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def __enter__(self) -> Self:
        """Return the proxy."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the proxy."""
        self.heal()
        self.close()


def _finish(reply: Reply) -> None:
    if reply.source is not None:
        with reply.source as source:
            source.read()


def _operation(method: str, path: str) -> str:
    query = parse_qs(urlsplit(path).query, keep_blank_values=True)
    for (wanted, field), operation in _BY_QUERY.items():
        if wanted == method and field in query:
            return operation
    return _BY_METHOD.get(method, method)
