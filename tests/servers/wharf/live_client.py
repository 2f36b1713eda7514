"""Listeners to the live channel: stock clients, and a WebSocket that may misbehave."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import socketio
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.servers.wharf.api_client import ApiClient, Headers
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import until
from wharf_upload.http.event_cursors import Cursor

SECONDS = 60.0


class Listener:
    """python-socketio's client, which reconnects automatically at its last event.

    `heard` has the documents by the name of the event, in order.
    """

    def __init__(
        self, port: int, token: str | None, after: Cursor | None = None, origin: str | None = None
    ) -> None:
        """Prepare a client. If `after` is `None`, the client receives only new events. With
        `origin` the client acts as a page of this origin.
        """
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self.token, self.after, self.refusal = token, after, ""
        self._port, self._page = port, {"Origin": origin} if origin else {}
        # websocket-client sends an Origin that it has computed, unless this option replaces it.
        options = {"websocket_extra_options": {"origin": origin}} if origin else {}
        self.client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.5, **options)
        self.client.on("*", self._hears)
        self.client.on("connect_error", self._refused)

    def connect(self, *transports: str, headers: Headers | None = None) -> Self:
        """Connect, by WebSocket unless `transports` are given. A refusal is in `refusal`."""
        chosen = list(transports or ("websocket",))
        page = self._page if "polling" in chosen else {}
        with suppress(socketio.exceptions.ConnectionError):
            self.client.connect(
                f"http://127.0.0.1:{self._port}",
                headers={**page, **(headers or {})},
                auth=self._auth,
                transports=chosen,
                wait_timeout=int(SECONDS),
            )
        return self

    def _auth(self) -> dict[str, Any]:
        after = {} if self.after is None else {"after": self.after}
        return {"token": self.token, **after}

    def _hears(self, name: str, document: Any = None) -> None:
        self.heard[name].append(document)
        if name == "event":
            self.after = document["id"]

    def _refused(self, answer: Any) -> None:
        problem = answer.get("data", answer) if isinstance(answer, dict) else {}
        self.refusal = slug(problem) if isinstance(problem, dict) else ""

    def says(self, name: str, document: Any) -> Any:
        """Emit a message and return the server's acknowledgement."""
        return self.client.call(name, document, timeout=int(SECONDS))

    def keys(self) -> list[str]:
        """Return the keys of the files in the received events."""
        return [document["file"]["key"] for document in self.heard["event"]]

    def hears(self, key: str) -> bool:
        """Wait for an event of a file and tell whether it arrived."""
        return until(lambda: key in self.keys(), SECONDS)

    def farewell(self) -> str:
        """Wait for a `bye` and the end of the connection, and return the problem or the
        reason in the `bye`.
        """
        assert until(lambda: self.heard["bye"], SECONDS), "no bye"
        assert until(lambda: not self.client.connected, SECONDS), "a bye without an end"
        (document,) = self.heard["bye"]
        return slug(document["problem"]) if "problem" in document else str(document["reason"])

    def was_let_in(self) -> bool:
        """Tell whether the client is connected, and disconnect it."""
        let_in = bool(self.client.connected)
        self.leave()
        return let_in

    def leave(self) -> None:
        """Disconnect without reconnecting."""
        if self.client.connected and self.client.transport() == "polling":
            # The stock client would wait up to 25 s for the response to its last poll.
            self.client.eio.disconnect(abort=True)
        else:
            self.client.shutdown()


@contextmanager
def listening(api: ApiClient, after: Cursor | None = None, *transports: str) -> Iterator[Listener]:
    """Yield a connected listener with the client's token."""
    listener = Listener(api.port, api.token, after)
    try:
        listener.connect(*transports)
        assert listener.client.connected, listener.refusal
        yield listener
    finally:
        listener.leave()


def slug(problem: dict[str, Any]) -> str:
    """Return the kind of a problem."""
    return str(problem.get("type", "")).removeprefix("/problems/")


class RawListener:
    """A WebSocket that reads only on demand, for slow readers and floods (see `raw_listener`)."""

    def __init__(self, opened: ClientConnection, api: ApiClient) -> None:
        self._socket = opened
        assert self._packet()[:1] == "0"
        self._socket.send("40" + json.dumps({"token": api.token}))
        assert self._packet()[:2] == "40"

    def emit(self, name: str, document: Any) -> None:
        """Emit without waiting for a response."""
        self._socket.send("42" + json.dumps([name, document]))

    def heard(self) -> Iterator[tuple[str, Any]]:
        """Yield names and documents until the connection ends."""
        with suppress(ConnectionClosed):
            while True:
                packet = self._packet()
                if packet == "2":
                    self._socket.send("3")
                elif packet.startswith("42"):
                    name, document = json.loads(packet.removeprefix("42"))
                    yield name, document

    def _packet(self) -> str:
        return str(self._socket.recv(SECONDS))


@contextmanager
def raw_listener(api: ApiClient, receive_bytes: int = 0) -> Iterator[RawListener]:
    """Yield a connection with a receive buffer of this size in the kernel (0: the default size)."""
    own = socket.socket()
    if receive_bytes:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    own.connect(("127.0.0.1", api.port))
    address = f"ws://127.0.0.1:{api.port}/socket.io/?EIO=4&transport=websocket"
    # The client reads only one frame ahead. After a cut there is no peer for a close handshake.
    told: dict[str, Any] = {"ping_interval": None, "proxy": None, "close_timeout": 1}
    with connect(address, sock=own, max_queue=1, **told) as opened:
        yield RawListener(opened, api)


class Stream:
    """Server-sent events, which curl reads until the end of a `with` block."""

    def __init__(self, api: ApiClient, target: str = "/v1/events", **fields: str) -> None:
        """Start curl. `fields` are further header fields, with `_` for `-`."""
        headers = {
            "Authorization": f"Bearer {api.token}",
            "Accept": "text/event-stream",
            **{name.replace("_", "-"): value for name, value in fields.items()},
        }
        told = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        address = f"http://127.0.0.1:{api.port}{target}"
        command = ["curl", "-sSfN", "--max-time", str(int(SECONDS)), *told, address]
        self._curl = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def events(self) -> Iterator[tuple[str, str, Any]]:
        """Yield id, name and document of each event until the stream ends."""
        assert self._curl.stdout is not None
        found: dict[str, str] = {}
        for line in self._curl.stdout:
            field, _, value = line.rstrip("\n").partition(": ")
            if field:
                found[field] = value
            elif "event" in found:
                yield found.get("id", ""), found["event"], json.loads(found["data"])
                found = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._curl.terminate()
        self._curl.communicate()


def kill_live(wharf: Wharf) -> None:
    """Kill the live channel with SIGKILL. The process manager starts it again."""
    found = wharf.processes("live.log")
    assert found
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def recorded(api: ApiClient) -> list[dict[str, Any]]:
    """Return the events of the tenant from `GET /v1/events`, at most 1000."""
    answer = api.get("/v1/events?limit=1000")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()["events"]
    return found
