"""Lines that end with a bare line feed, which a proxy and nginx could parse differently."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers.nginx import RunningGateway, running
from tests.servers.ports import free_port
from tests.servers.uwsgi_apps import serving
from tests.servers.wharf.raw_http import RawAnswer, exchange, head, until

HOST = "files.example.com"
NEXT = b"GET /v1/smuggled HTTP/1.1\r\nHost: files.example.com\r\n\r\n"
# A proxy may read the bytes after a bare line feed as a part of the line, or as a new line.
BODIES = {
    "whole": b"2\r\n{}\r\n0\r\n\r\n",
    "size": b"2\n{}\r\n0\r\n\r\n",
    "extension": b"2;x\n{}\r\n0\r\n\r\n",
    "data": b"2\r\n{}\n0\r\n\r\n",
    "last": b"2\r\n{}\r\n0\n\n",
    "trailer": b"2\r\n{}\r\n0\r\nX: y\n\n",
}
WAYS = (
    "POST /v1/buckets",
    "POST /v1/files/b",
    "PUT /v1/files/b/a",
    "PATCH /v1/files/b/a",
    "PATCH /v1/uploads/" + "0" * 32,
    "DELETE /v1/uploads/" + "0" * 32,
    "PUT /u/ticket/a",
    "POST /auth/oauth/token",
    "GET /public/a/b/c",
    "GET /nowhere",
    # Internal locations of the gateway, and addresses that look like them.
    "PUT /_spool",
    "PUT /%5Fspool",
    "PUT /x/../_spool",
    "POST //_spool",
    "POST /_nowhere",
    "POST /_problem_400.json",
    "POST /_chunked/v1/buckets",
    "POST /_chunked_odd",
    "POST /v1/files/b/a%0Ab",
)


@dataclass
class Services:
    """nginx, and the addresses of all requests that nginx has sent to the services."""

    gateway: RunningGateway
    asked: list[str] = field(default_factory=list)

    def app(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Respond as a service that admits no upload, and returns 200 for all other requests."""
        step = environ.get("WHARF_STEP", "")
        self.asked.append(environ["REQUEST_URI"])
        refused = [("X-Denied-Status", "405"), ("X-Denied-Problem", "{}")]
        start("403 No" if step == "admit" else "200 OK", refused if step else [])
        return []

    def answers(self, sent: bytes) -> list[RawAnswer]:
        """Send bytes, and return all responses until the connection ends."""
        self.asked.clear()
        return exchange(self.gateway.port, sent)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Yield a gateway for one host."""
    folder = tmp_path_factory.mktemp("feeds")
    with running(folder, folder / "data", {"WHARF_HOSTS": HOST}) as gateway, ExitStack() as stack:
        found = Services(gateway)
        for name in ("upload", "receiver"):
            stack.enter_context(serving(gateway.sockets / f"{name}.sock", found.app))
        yield found


def _chunked(line: str, body: bytes, host: str = HOST) -> bytes:
    fields = f"Host: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return f"{line} HTTP/1.1\r\n{fields}".encode() + body


@pytest.mark.parametrize("line", WAYS)
def test_chunks_are_the_last_thing_on_a_connection(services: Services, line: str) -> None:
    """nginx serves no request after a chunked body, for any route and any kind of line end."""
    for name, body in BODIES.items():
        answers = services.answers(_chunked(line, body) + NEXT)
        assert len(answers) == 1, name
        assert answers[0].headers["Connection"] == "close"
        assert "/v1/smuggled" not in services.asked


@pytest.mark.parametrize(
    ("fields", "status", "slug"),
    [
        (["X:"] * 1100, 431, "headers-too-large"),
        (["Content-Length: 2"], 400, "malformed-request"),
        (["Transfer-Encoding: x"], 400, "malformed-request"),
    ],
)
def test_refused_while_it_is_read(
    services: Services, fields: list[str], status: int, slug: str
) -> None:
    """nginx refuses a bad header with the same status and problem when the body is chunked."""
    sent = head("POST /v1/buckets HTTP/1.1", "Transfer-Encoding: chunked", *fields)
    answers = services.answers(sent + BODIES["whole"] + NEXT)
    assert [(one.status, one.slug) for one in answers] == [(status, slug)]


def test_of_a_host_that_is_not_served(services: Services) -> None:
    """nginx serves no request after a chunked body that was sent to another host."""
    answers = services.answers(_chunked("POST /v1/buckets", BODIES["size"], "else.example") + NEXT)
    assert [one.status for one in answers] == [421]
    assert not services.asked


@pytest.mark.parametrize("character", ["%0A", "%0D", "%00", "%1f"])
def test_paths_that_are_nobodys(services: Services, character: str) -> None:
    """nginx refuses a path with a control character with 400, and closes a chunked connection."""
    sent = _chunked(f"PUT /v1/files/b/a{character}b", BODIES["size"])
    answers = services.answers(sent + NEXT)
    assert [(one.status, one.slug) for one in answers] == [(400, "malformed-request")]
    assert not services.asked


def test_other_connections_go_on(services: Services) -> None:
    """nginx keeps a connection without chunked bodies open, and a chunked
    GET reaches its address.
    """
    first = b"POST /v1/buckets HTTP/1.1\r\nHost: files.example.com\r\nContent-Length: 2\r\n\r\n{}"
    last = head("GET /v1/usage HTTP/1.1", "Connection: close")
    assert [one.status for one in services.answers(first + NEXT + last)] == [200] * 3
    services.answers(_chunked("GET /v1/usage?a=%2f..", BODIES["whole"]))
    assert services.asked == ["/v1/usage?a=%2f.."]


def test_no_way_into_the_gateways_own_locations(services: Services) -> None:
    """A chunked body reaches no internal location, and all internal locations start with `/_`."""
    folder = services.gateway.gateway.run
    texts = [path.read_text() for path in Path(folder).rglob("*.conf")]
    location = re.compile(r"location (?:= |~ \^)?(\S+) \{((?:[^{}]|\{[^{}]*\})*)\}")
    found = [one for text in texts for one in location.findall(text)]
    paths = [name for name, inside in found if "internal;" in inside]
    assert len(paths) > 15
    assert all(path.startswith("/_") for path in paths)
    for path in [*paths, "/%5Fspool", "//_spool", "/./_spool", "/x/../_spool", "/_chunked"]:
        (answer,) = services.answers(_chunked(f"PUT {path}", BODIES["whole"]))
        assert answer.status in (400, 404) or services.asked == [path], path


def test_a_proxy_ends_lines_itself(services: Services, tmp_path: Path) -> None:
    """A proxy such as nginx passes on no bare line feed, so the service receives the request."""
    port = free_port()
    server = (
        f"listen 127.0.0.1:{port}; location / {{ proxy_http_version 1.1; "
        "proxy_request_buffering off; proxy_set_header Host files.example.com; "
        f"proxy_pass http://127.0.0.1:{services.gateway.port}; }}"
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{ }} "
        f"http {{ access_log off; client_body_temp_path {tmp_path}; server {{ {server} }} }}"
    )
    command = [services.gateway.gateway.command[0], "-e", "stderr", "-p", str(tmp_path), "-c"]
    with subprocess.Popen([*command, f"{tmp_path}/nginx.conf"], stderr=subprocess.DEVNULL) as proxy:
        try:
            line = "POST /v1/buckets"
            assert until(lambda: _answers(port))
            for name, body in BODIES.items():
                services.asked.clear()
                answers = exchange(port, _chunked(line, body).replace(b"1.1\r\n", b"1.1\n"))
                assert [one.status for one in answers][:1] == [200], name
                assert services.asked == ["/v1/buckets"]
        finally:
            proxy.terminate()


def _answers(port: int) -> bool:
    try:
        return bool(exchange(port, head("GET /v1/usage HTTP/1.1", "Connection: close")))
    except ConnectionError:
        return False
