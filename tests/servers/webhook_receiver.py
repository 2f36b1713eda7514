"""A receiver of webhooks on 127.0.0.1, which keeps the requests that it got."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from tests.servers.certificates import Certificate
from tests.servers.raw_receiver import context_of


@dataclass
class Received:
    """A request that the receiver got; the names of its header fields are in lower case."""

    path: str
    fields: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> Any:
        """Return the body, read as JSON."""
        return msgspec.json.decode(self.body)

    @property
    def id(self) -> str:
        """Return the value of `webhook-id`."""
        return self.fields["webhook-id"]


@dataclass
class Reply:
    """An answer of the receiver, which waits `delay_seconds` before."""

    status: int = 204
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_seconds: float = 0.0


Answering = Callable[[Received], Reply]


class WebhookReceiver:
    """A running receiver; `answering` decides about each answer, and may be replaced."""

    def __init__(self, answering: Answering | None = None, tls: Certificate | None = None) -> None:
        self.answering = answering or (lambda _: Reply())
        self.received: list[Received] = []
        self._changed = threading.Condition()
        self.server = _Server(("127.0.0.1", 0), _handler(self))
        context = context_of(tls)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}/hook"

    def add(self, request: Received) -> Reply:
        """Keep a request; return the answer to it."""
        with self._changed:
            self.received.append(request)
            self._changed.notify_all()
        return self.answering(request)

    def wait_for(self, count: int, seconds: float = 30.0) -> list[Received]:
        """Wait until so many requests have arrived; return all of them."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.received) >= count, seconds)
        assert arrived, f"{len(self.received)} of {count} requests arrived in {seconds} s"
        return list(self.received)


class _Server(ThreadingHTTPServer):
    # Many endpoints send at the same time.
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Write no log: some clients do not accept the certificate."""


def _handler(receiver: WebhookReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server calls
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) != length:
                return  # The sender was killed in the middle of the request.
            fields = {name.lower(): value for name, value in self.headers.items()}
            reply = receiver.add(Received(self.path, fields, body, time.time()))
            time.sleep(reply.delay_seconds)
            self.send_response(reply.status)
            for name, value in reply.fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Write no log."""

    return Handler


@contextmanager
def webhook_receiver(
    answering: Answering | None = None, tls: Certificate | None = None
) -> Iterator[WebhookReceiver]:
    """Run a receiver during the block."""
    receiver = WebhookReceiver(answering, tls)
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()
