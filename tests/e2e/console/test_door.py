"""The console door to the API: the connections, routes and addresses that it accepts."""

from __future__ import annotations

import stat

import pytest

from tests.servers.pages.visitor import Visitor, by_the_door
from tests.servers.wharf.api_client import SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import exchange, head, until

SOMEBODY = b"PROXY TCP4 203.0.113.77 127.0.0.1 4711 80\r\n"
SOMEBODY_6 = b"PROXY TCP6 2001:db8::77 ::1 4711 80\r\n"


def get(target: str, *fields: str) -> bytes:
    """Return the bytes of a GET with `Connection: close`."""
    return head(f"GET {target} HTTP/1.1", "Connection: close", *fields)


def logged(wharf: Wharf, request_id: str) -> str | None:
    """Return the client's address in the gateway's log line of a request."""
    found = [one for one in wharf.log_lines("access") if one["request_id"] == request_id]
    return str(found[0]["address"]) if found else None


def test_nobody_else_comes_to_the_door(wharf: Wharf) -> None:
    """The permissions of the door's folder let no system user except Wharf's own enter it."""
    door = wharf.data / "run/console-door.sock"
    assert stat.S_ISSOCK(door.lstat().st_mode)
    assert stat.S_IMODE(door.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(wharf.data.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("line", "address"), [(SOMEBODY, "203.0.113.77"), (SOMEBODY_6, "2001:db8::77")]
)
def test_whose_request_it_is(wharf: Wharf, line: bytes, address: str) -> None:
    """The client's address comes from the PROXY line with which the connection begins."""
    name = f"door-{address.replace(':', '.')}-request"
    (answer,) = by_the_door(wharf, line, get("/v1/usage", f"X-Request-Id: {name}"))
    assert (answer.status, answer.slug) == (401, "token-missing")
    assert until(lambda: logged(wharf, name) == address)


@pytest.mark.parametrize("line", [b"", b"PROXY\r\n", b"PROXY TCP4 one two 3 4\r\n"])
def test_without_the_line_nobody_is_let_in(wharf: Wharf, line: bytes) -> None:
    """A connection to the door without a valid PROXY line is closed without a response."""
    assert by_the_door(wharf, line, get("/v1/usage")) == []


def test_the_public_port_takes_nobodys_word(wharf: Wharf) -> None:
    """The public port refuses a PROXY line, and ignores header fields that name another address."""
    (answer, *_) = exchange(wharf.port, SOMEBODY + get("/v1/usage"))
    assert answer.status == 400
    name = "door-forwarded-request"
    fields = ("X-Forwarded-For: 203.0.113.77", "X-Real-IP: 203.0.113.77", f"X-Request-Id: {name}")
    exchange(wharf.port, get("/v1/usage", *fields))
    assert until(lambda: logged(wharf, name) == "127.0.0.1")
    name = "door-forwarded-by-the-console"
    by_the_door(
        wharf,
        SOMEBODY,
        get("/v1/usage", "X-Forwarded-For: 198.51.100.9", f"X-Request-Id: {name}"),
    )
    assert until(lambda: logged(wharf, name) == "203.0.113.77")


def test_the_browsers_address_reaches_auth(wharf: Wharf) -> None:
    """A login at the console reaches the API with the browser's address, not the console's."""
    name = "door-login-from-elsewhere"
    status, _ = Visitor(wharf, "127.0.0.9").login("a wrong one", X_Request_Id=name)
    assert status in {200, 400, 401, 422}

    def both() -> bool:
        found = [one for one in wharf.log_lines("access") if one["request_id"] == name]
        return {one["path"] for one in found} >= {"/console/login", "/auth/login"}

    assert until(both)
    addresses = {one["address"] for one in wharf.log_lines("access") if one["request_id"] == name}
    assert addresses == {"127.0.0.9"}


def test_a_login_at_the_console(wharf: Wharf) -> None:
    """A person can log in with the password in credentials.json, and gets the overview page."""
    visitor = Visitor(wharf)
    assert visitor.login()[0] == 303
    status, _, page = visitor.request("GET", "/console/")
    assert status == 200
    assert "<h1" in page


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /metrics", 404),
        ("GET /auth/metrics", 404),
        ("GET /auth/internal/feed", 404),
        ("GET /feed", 404),
        ("GET /nginx_status", 404),
        ("GET /console/", 404),
        ("GET /", 404),
        ("GET /u/ticket", 404),
        ("GET /s/link", 404),
        ("GET /_blobs/x", 404),
        ("GET /_direct", 404),
        ("PUT /v1/files/default/x", 404),
        ("POST /v1/files/default", 404),
        ("POST /v1/uploads", 404),
        ("PATCH /v1/uploads/0123456789abcdef0123456789abcdef", 404),
        ("GET /v1/files/default", 401),
        ("DELETE /v1/files/default/x", 401),
        ("GET /v1/buckets", 401),
        ("GET /auth/openapi.json", 200),
        ("GET /openapi.json", 200),
    ],
)
def test_what_is_behind_the_door(wharf: Wharf, request_: str, status: int) -> None:
    """The door passes on API requests, without a token to a 401; other addresses get a 404."""
    (answer,) = by_the_door(
        wharf, SOMEBODY, head(f"{request_} HTTP/1.1", "Content-Length: 0", "Connection: close")
    )
    assert answer.status == status, answer.body


def test_contents_do_not_come_by_the_door(wharf: Wharf, api: ApiClient) -> None:
    """A client that may read a file at the public port cannot read its bytes through the door."""
    api.stored("secret.txt", SMALL)
    token = f"Authorization: Bearer {api.token}"
    for target in ("/v1/files/default/secret.txt", "/v1/files/default/secret.txt?download"):
        (answer,) = by_the_door(wharf, SOMEBODY, get(target, token))
        assert answer.status == 404
        assert SMALL not in answer.body
    (listed,) = by_the_door(wharf, SOMEBODY, get("/v1/files/default", token))
    assert listed.status == 200
    assert b"secret.txt" in listed.body


def test_large_bodies_do_not_come_by_the_door(wharf: Wharf) -> None:
    """The door refuses bodies larger than the console's pages send."""
    fields = ("Content-Length: 200000", "Connection: close")
    (answer,) = by_the_door(wharf, SOMEBODY, head("PUT /v1/buckets/abc HTTP/1.1", *fields))
    assert answer.status == 413
