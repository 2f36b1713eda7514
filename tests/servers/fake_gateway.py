"""A gateway for tests of the console, with responses that a test sets."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Call:
    """A request that the gateway received."""

    proxy_line: str
    method: str
    path: str
    query: dict[str, list[str]]
    fields: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body, parsed as JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, list[str]]:
        """Return the body, parsed as a form."""
        return parse_qs(self.body.decode())


@dataclass
class Reply:
    """A response of the gateway."""

    content: object = None
    status: int = 200
    fields: dict[str, str] = field(default_factory=dict)


def problem(status: int, slug: str, detail: str = "", **members: object) -> Reply:
    """Return a problem document of the API."""
    document = {
        "type": f"/problems/{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "request_id": "request-of-the-api",
        **members,
    }
    retry = members.get("retry_after")
    return Reply(document, status, {"Retry-After": str(retry)} if retry else {})


Answer = Reply | Callable[[Call], Reply]


class FakeGateway:
    """A server on a unix socket that expects the line of the PROXY protocol, as the console door
    does.

    `on("GET", "/v1/buckets", Reply(...))` sets a response; other requests get 404. A path may be a
    pattern (`/v1/files/docs/.*`). If several paths match, the response that was set last is used.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.calls: list[Call] = []
        self._answers: list[tuple[str, re.Pattern[str], Answer]] = []
        self._server = _Server(self.path, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def on(self, method: str, pattern: str, answer: Answer) -> None:
        """Set the response to requests with this method and path."""
        self._answers.insert(0, (method, re.compile(pattern), answer))

    def called(self, method: str, path: str) -> list[Call]:
        """Return the requests with this method and path."""
        return [one for one in self.calls if (one.method, one.path) == (method, path)]

    def reply_to(self, call: Call) -> Reply:
        """Return the response to a request."""
        self.calls.append(call)
        for method, pattern, answer in self._answers:
            if method == call.method and pattern.fullmatch(call.path):
                return answer if isinstance(answer, Reply) else answer(call)
        return problem(404, "not-found", "Nothing is here.")

    def close(self) -> None:
        """Close the server, so that connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        Path(self.path).unlink(missing_ok=True)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, gateway: FakeGateway) -> None:
        self.gateway = gateway
        super().__init__(path, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    request: socket.socket

    def setup(self) -> None:
        """Read the line of the PROXY protocol first."""
        self.client_address = ("browser", 0)
        super().setup()
        self.proxy_line = self.rfile.readline().decode().rstrip("\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's
        """Log nothing."""

    def _answer(self) -> None:
        address = urlsplit(self.path)
        call = Call(
            self.proxy_line,
            self.command,
            address.path,
            parse_qs(address.query),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length", 0))),
        )
        reply = self.server.gateway.reply_to(call)
        body = b"" if reply.content is None else json.dumps(reply.content).encode()
        self.send_response(reply.status)
        for name, value in {**reply.fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 -- the base class has it so
