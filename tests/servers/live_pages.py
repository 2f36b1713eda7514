"""Pages with the console's scripts, and a live channel whose messages a test sets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import socketio
import uvicorn

from tests.servers.console_pages import CSRF, DIST, POLICY, ConsolePages, built

_TYPES = {".js": b"text/javascript", ".css": b"text/css", ".svg": b"image/svg+xml"}
_TOKEN_PATH = "/console/live-token"
_REPORTS_PATH = "/console/csp-reports"
Send = Callable[[dict[str, Any]], Awaitable[None]]


class LivePages(ConsolePages):
    """A server of pages and their live channel; it records what the pages send.

    It records the paths of the pages, the CSRF tokens of requests for a live token, the handshakes,
    and the messages.
    """

    def __init__(self, port: int, assets: dict[str, str]) -> None:
        super().__init__(port, assets)
        self.looks: list[str] = []
        self.tokens: list[str] = []
        self.handshakes: list[dict[str, Any]] = []
        self.said: list[dict[str, Any]] = []
        #: The transport of the last handshake.
        self.transport = ""
        #: The status of responses to requests for tokens, and the lifetime of a token in seconds.
        self.token_status, self.token_seconds = 200, 900
        #: Whether the channel accepts connections.
        self.is_open = True
        self.loop: asyncio.AbstractEventLoop | None = None
        self.server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=[])
        self.server.on("connect", self._connect)
        self.server.on("msg", self._message)
        self.app = socketio.ASGIApp(self.server, self._page)

    def live_page(self, body: str, **values: str) -> str:
        """Serve a page whose template may use `live.box`, and return the page's address."""
        addresses = {"live.token": _TOKEN_PATH, "session.login": "/console/login"}
        names = {"url_for": lambda name, **_: addresses[name], "csrf_token": lambda: CSRF}
        self._jinja.globals.update(names, pages=addresses, here="/console/page")
        head = '{% import "macros/live.html" as live with context %}'
        return self.page(head + body, **values)

    def tell(self, name: str, document: dict[str, Any]) -> None:
        """Send a message to all listeners."""
        self._run(self.server.emit(name, document))

    def cut(self, reason: dict[str, Any]) -> None:
        """Send the reason and end all connections."""

        async def end() -> None:
            await self.server.emit("bye", reason)
            for sid, _ in list(self.server.manager.get_participants("/", None)):
                await self.server.disconnect(sid)

        self._run(end())

    def _run(self, work: Any) -> None:
        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _connect(self, sid: str, _environ: object, auth: dict[str, Any]) -> None:
        self.transport = self.server.transport(sid)
        self.handshakes.append(auth)
        if not self.is_open:
            raise socketio.exceptions.ConnectionRefusedError("closed")

    async def _message(self, _sid: str, document: dict[str, Any]) -> None:
        self.said.append(document)

    async def _page(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        path: str = scope["path"]
        if path == _REPORTS_PATH:
            self.reports.append(body.decode())
        if path == _TOKEN_PATH:
            self.tokens.append(dict(scope["headers"])[b"x-csrftoken"].decode())
            made = {"token": f"token-{len(self.tokens)}", "expires_in": self.token_seconds}
            await _answer(send, self.token_status, b"application/json", json.dumps(made).encode())
        elif path in self.pages:
            self.looks.append(path)
            await _answer(send, 200, b"text/html; charset=utf-8", self.pages[path])
        else:
            file = DIST / Path(path).name
            found = path.startswith("/console/static/") and file.is_file()
            kind = _TYPES.get(file.suffix, b"text/plain")
            await _answer(send, 200 if found else 404, kind, file.read_bytes() if found else b"")


async def _answer(send: Send, status: int, kind: bytes, body: bytes) -> None:
    fields = [(b"content-type", kind), (b"content-security-policy", POLICY.encode())]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving_live() -> Iterator[LivePages]:
    """Yield the pages on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        pages = LivePages(listening.getsockname()[1], built())
        server = uvicorn.Server(uvicorn.Config(pages.app, log_level="error", lifespan="off"))

        def serve() -> None:
            with asyncio.Runner() as runner:
                pages.loop = runner.get_loop()
                runner.run(server.serve([listening]))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield pages
        finally:
            server.should_exit = server.force_exit = True
            thread.join()
