"""A WSGI application behind a unix socket, in a thread of this process, to which nginx connects."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Handler(socketserver.StreamRequestHandler):
    """The handler of one request, which calls the application as uWSGI does."""

    server: _Server

    def handle(self) -> None:
        header = self.rfile.read(4)
        if len(header) < 4:
            return
        _, size, _ = struct.unpack("<BHB", header)
        packet = BytesIO(self.rfile.read(size))
        environ: dict[str, Any] = {}
        while length := packet.read(2):
            name = packet.read(*struct.unpack("<H", length)).decode("latin-1")
            value = packet.read(*struct.unpack("<H", packet.read(2)))
            environ[name] = value.decode("latin-1")
        # A gateway question has a length, but no body.
        announced = "" if environ.get("WHARF_STEP") else environ.get("CONTENT_LENGTH")
        body = self.rfile.read(int(announced or 0))
        environ |= {"wsgi.input": BytesIO(body), "wsgi.url_scheme": "http", "SCRIPT_NAME": ""}

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
            self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

        # nginx disconnects as soon as it has read enough of the response.
        with suppress(BrokenPipeError, ConnectionResetError):
            for block in self.server.app(environ, start_response):
                self.wfile.write(block)


class _Server(socketserver.UnixStreamServer):
    request_queue_size = 128

    def __init__(self, path: Path, app: Wsgi) -> None:
        self.app = app
        super().__init__(str(path), _Handler)


class _ThreadingServer(socketserver.ThreadingMixIn, _Server):
    daemon_threads = True


@contextmanager
def serving(path: Path, app: Wsgi, *, threads: bool = True) -> Iterator[None]:
    """Serve the application at this path during the block. Without threads,
    requests wait in turn.
    """
    with (_ThreadingServer if threads else _Server)(path, app) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            path.unlink()
