"""Hostile header fields: long ones, many of them, and overrides of the method.

Limits apply to the log, too.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from servicekit.logs import LINE_BYTES
from tests.servers.nginx import RunningGateway, running
from tests.servers.uwsgi_apps import serving
from tests.servers.wharf.raw_http import RawAnswer, exchange, head, parse, until

UPLOAD = "/v1/uploads/" + "0" * 32
# JSON writes the first character as two bytes and the second as six. The third is not UTF-8.
CHARACTERS = ('"', "\x01", "\xff")
# Fewer fields than nginx's own limit allows, and more.
MANY, TOO_MANY = ["X:"] * 900, ["X:"] * 1100


@dataclass
class Services:
    """nginx, and the requests that it has sent to the services behind it."""

    gateway: RunningGateway
    asked: list[str] = field(default_factory=list)
    # For each admission: its start time, and how long nginx waits for the response.
    waits: list[str] = field(default_factory=list)

    def app(self, name: str) -> Callable[..., Iterable[bytes]]:
        """Return a service that admits no upload, and returns 200 for all other requests."""

        def answering(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            if environ["PATH_INFO"] == "/_cors":
                start("204 None", [])
                return []
            step = environ.get("WHARF_STEP", "")
            self.asked.append(f"{name} {step}".strip())
            if step == "admit":
                self.waits.append(environ["WHARF_ASKED"])
            refused = [("X-Denied-Status", "405"), ("X-Denied-Problem", "{}")]
            start("403 No" if step == "admit" else "200 OK", refused if step else [])
            return []

        return answering

    def exchange(self, line: str, *fields: str, body: bytes = b"") -> RawAnswer:
        """Send one request and return its response."""
        sent = head(f"{line} HTTP/1.1", "Connection: close", *fields) + body
        return exchange(self.gateway.port, sent)[0]

    def line(self, request_id: str) -> bytes:
        """Return the line that nginx has logged for a request."""

        def found() -> list[bytes]:
            lines = self.gateway.output.read_bytes().splitlines(keepends=True)
            return [line for line in lines if request_id.encode() in line]

        assert until(lambda: bool(found()))
        return found()[0]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Yield a gateway with a console door."""
    folder = tmp_path_factory.mktemp("fields")
    settings = {"WHARF_CONSOLE_DOOR": f"{folder}/sockets/door.sock"}
    with running(folder, folder / "data", settings) as gateway, ExitStack() as stack:
        found = Services(gateway)
        for name in ("upload", "receiver"):
            stack.enter_context(serving(gateway.sockets / f"{name}.sock", found.app(name)))
        yield found


@pytest.mark.parametrize(
    ("method", "override", "length", "asked", "status"),
    [
        ("PATCH", "", 5, ["upload admit"], 405),
        ("POST", "PATCH", 5, ["upload admit"], 405),
        ("POST", "", 5, ["upload admit"], 405),
        ("POST", "delete", 5, ["upload admit"], 405),
        ("DELETE", "", 5, ["receiver"], 200),
        ("POST", "DELETE", 5, ["receiver"], 200),
        ("DELETE", "", 200_000, [], 413),
        ("POST", "DELETE", 200_000, [], 413),
        ("GET", "DELETE", 5, ["receiver"], 200),
    ],
)
def test_ways_of_methods(
    services: Services, method: str, override: str, length: int, asked: list[str], status: int
) -> None:
    """A POST with `X-HTTP-Method-Override` takes the route and the body limit of that method."""
    services.asked.clear()
    fields = [f"Content-Length: {length}"]
    fields += [f"X-HTTP-Method-Override: {override}"] if override else []
    answer = services.exchange(f"{method} {UPLOAD}", *fields, body=bytes(5))
    assert (answer.status, services.asked) == (status, asked)


def test_number_of_fields(services: Services) -> None:
    """The main port and the console door accept hundreds of header fields, and return
    431 for more.
    """
    assert services.exchange("GET /v1/usage", *MANY).status == 200
    refused = services.exchange("GET /v1/usage", *TOO_MANY)
    assert (refused.status, refused.slug) == (431, "headers-too-large")
    for fields, status in ((MANY, 200), (TOO_MANY, 431)):
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(30)
            door.connect(f"{services.gateway.sockets}/door.sock")
            door.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n")
            door.sendall(head("GET /v1/usage HTTP/1.1", "Connection: close", *fields))
            received = b"".join(iter(partial(door.recv, 65536), b""))
        assert parse(received)[0].status == status


def test_a_log_line_has_a_bound(services: Services) -> None:
    """The log line of any request has at most 8 KiB, and marks each value that was cut."""
    for character in CHARACTERS:
        quotes = b'"' * 5000
        fields = f"Connection: close\r\nX-Request-Id: bounded-{ord(character)}".encode()
        agent = character.encode("latin-1") * 4000
        exchange(
            services.gateway.port,
            b"GET /%b HTTP/1.1\r\n%b\r\nHost: %b\r\nUser-Agent: %b\r\n\r\n"
            % (quotes, fields, quotes, agent),
        )
    services.exchange(f"{'A' * 9000} /", "X-Request-Id: long-method")
    for character in CHARACTERS:
        line = services.line(f"bounded-{ord(character)}")
        assert len(line) <= LINE_BYTES
        shown = json.loads(line.decode(errors="replace"))
        for name, kept in (("path", 2000), ("host", 255), ("user_agent", 300)):
            assert shown[name].endswith("…"), name
            assert len(shown[name]) == kept + 1, name
    assert json.loads(services.line("long-method"))["method"] == "A" * 20 + "…"


def test_a_question_says_how_long_it_waits(services: Services) -> None:
    """In each admission nginx states when the request began, and how long nginx
    waits for the response.
    """
    begun = time.time()
    services.exchange("PUT /v1/files/b/a", "Content-Length: 200000")
    since, patience = services.waits[-1].split()
    assert begun - 1 <= float(since) <= time.time() + 1
    assert patience == "60"
