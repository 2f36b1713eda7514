"""A local HTTP server whose responses a test sets, and which records the requested paths."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from wsgiref.types import WSGIApplication

from werkzeug.serving import make_server


@dataclass
class Reply:
    """A response of the server."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class LocalServer:
    """A server that calls `reply` with each path and records the `paths`."""

    url: str
    reply: Callable[[str], Reply]
    paths: list[str] = field(default_factory=list)


@contextmanager
def serving_app(make: Callable[[str], WSGIApplication]) -> Iterator[str]:
    """Yield the URL of a WSGI application on a free port. `make` gets this URL."""
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    server.app = make(url)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(reply: Callable[[str], Reply]) -> Iterator[LocalServer]:
    """Yield a server on a free port of the loopback address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            local.paths.append(self.path)
            answer = local.reply(self.path)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        local = LocalServer(f"http://127.0.0.1:{server.server_port}", reply)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield local
        finally:
            server.shutdown()
            thread.join()
