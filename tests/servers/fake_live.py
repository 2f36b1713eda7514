"""A stand-in for the live channel behind a gateway: HTTP/1.1 on a unix socket."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UPGRADED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"X-Wharf-Who: acme/ada\r\n\r\n"
)
STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"X-Wharf-Who: acme/ada\r\n\r\n"
)
FIRST_EVENT = b"id: 1\nevent: event\ndata: {}\n\n"


class FakeLive(socketserver.ThreadingUnixStreamServer):
    """A server that echoes a WebSocket, sends one event to an event stream, echoes other bodies,
    and sends a metric in response to other requests without a body.

    Attributes:
        heads: the heads of all requests, by name in lower case; `""` is the first line.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path) -> None:
        self.heads: list[dict[str, str]] = []
        super().__init__(str(path), _Request)


class _Request(socketserver.StreamRequestHandler):
    server: FakeLive

    def handle(self) -> None:
        """Serve one request. A stream continues until the client ends it."""
        first = self.rfile.readline().decode().strip()
        head = {"": first}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            head[name.lower()] = value.strip()
        self.server.heads.append(head)
        if head.get("upgrade") == "websocket":
            self.wfile.write(UPGRADED)
            while data := self.connection.recv(4096):
                self.wfile.write(data)
        elif "/v1/events" in first:
            chunk = b"%x\r\n%s\r\n" % (len(FIRST_EVENT), FIRST_EVENT)
            self.wfile.write(STREAM + chunk)
            self.rfile.read(1)
        else:
            body = self.rfile.read(int(head.get("content-length", "0"))) or b"wharf_live_up 1\n"
            answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            self.wfile.write(answer.encode() + body)


@contextmanager
def fake_live(path: Path) -> Iterator[FakeLive]:
    """Yield a server that listens at this path during the block."""
    with FakeLive(path) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
