"""The connection to the API: one for each browser request, and its errors."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.servers.fake_gateway import FakeGateway, Reply
from wharf_console.api.connection import Caller, Connection
from wharf_console.api.problems import ApiProblem, ApiUnavailable
from wharf_console.api.session import Session, address, with_query


@pytest.mark.parametrize(
    ("caller", "line"),
    [
        (Caller("192.0.2.7", 4711), b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n"),
        (Caller("2001:DB8:0::1", 1), b"PROXY TCP6 2001:db8::1 ::1 1 80\r\n"),
        (Caller("192.0.2.7", 99_999), b"PROXY TCP4 192.0.2.7 127.0.0.1 0 80\r\n"),
        (Caller("", 1), b"PROXY UNKNOWN\r\n"),
        (Caller("unix:", 1), b"PROXY UNKNOWN\r\n"),
        (Caller("192.0.2.7\r\nGET /", 1), b"PROXY UNKNOWN\r\n"),
    ],
)
def test_the_first_line_names_the_browser(caller: Caller, line: bytes) -> None:
    """The PROXY line names the browser's address, or UNKNOWN if the field has no valid address."""
    assert caller.proxy_line() == line


def test_a_field_cannot_be_smuggled(gateway: FakeGateway) -> None:
    """A browser's header field cannot add a field to the request to the API."""
    gateway.on("GET", "/v1/usage", Reply({}))
    caller = Caller(user_agent="a\r\nAuthorization: Bearer x\x00é", request_id="1\n2")
    with closing(Connection(gateway.path, caller)) as connection:
        connection.request("GET", "/v1/usage")
    [call] = gateway.calls
    assert call.fields["user-agent"] == "a??Authorization: Bearer x??"
    assert call.fields["x-request-id"] == "1?2"
    assert "authorization" not in call.fields


def test_a_key_stays_in_its_address() -> None:
    """All special characters of a key are encoded in the path, except slashes."""
    key = "a/b?c=1#d/%2e%2e/日本 語.txt"
    target = address("v1", "files", "docs", key=key)
    assert target == (
        "/v1/files/docs/a/b%3Fc%3D1%23d/%252e%252e/%E6%97%A5%E6%9C%AC%20%E8%AA%9E.txt"
    )
    assert address("v1", "buckets", "a/b") == "/v1/buckets/a%2Fb"
    assert with_query("/x", a="", b=None, c="ü&=", d=0) == "/x?c=%C3%BC%26%3D&d=0"


def test_a_connection_that_was_closed_meanwhile_is_made_anew(tmp_path: Path) -> None:
    """A GET on a closed connection is repeated. A POST is not, because the API may have done it
    already.
    """
    with closing_after_each_answer(tmp_path / "door") as (door, count):
        connection = Connection(door, Caller())
        assert connection.request("GET", "/a").status == 200
        assert connection.request("GET", "/b").status == 200
        assert count() == 2
        with pytest.raises(ApiUnavailable):
            connection.request("POST", "/c", body=b"x")
        assert count() == 2


@contextmanager
def closing_after_each_answer(path: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    """Serve one response on each connection, then close the connection without notice."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    answered: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                made, _ = listener.accept()
            except OSError:
                return
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += made.recv(4096)
            answered.append(request)
            made.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            made.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield str(path), lambda: len(answered)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_a_door_that_is_not_there_is_no_answer(tmp_path: Path) -> None:
    """An absent door raises `ApiUnavailable` with the kind of error and without a path."""
    with pytest.raises(ApiUnavailable, match=r"\AFileNotFoundError\Z"):
        Connection(str(tmp_path / "none"), Caller()).request("GET", "/")


def test_a_door_may_be_a_port() -> None:
    """A door may be a host and a port, for a gateway in another container."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        got: list[bytes] = []

        def serve() -> None:
            made, _ = listener.accept()
            got.append(made.recv(4096))
            made.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            made.close()

        thread = threading.Thread(target=serve)
        thread.start()
        caller = Caller("192.0.2.7", 1)
        with closing(Connection(f"127.0.0.1:{port}", caller)) as connection:
            assert connection.request("GET", "/").status == 200
        thread.join()
    assert got[0].startswith(b"PROXY TCP4 192.0.2.7 127.0.0.1 1 80\r\n")


def test_a_refusal_is_read_whatever_it_is(gateway: FakeGateway) -> None:
    """A refusal is read whether it is a problem, an OAuth error or neither."""
    refusal = {"error": "invalid_grant", "error_description": "No."}
    gateway.on("GET", "/oauth", Reply(refusal, 400))
    gateway.on("GET", "/list", Reply([1], 400))
    with closing(Connection(gateway.path, Caller())) as connection:
        for path, slug, detail in (("/oauth", "invalid_grant", "No."), ("/list", "", "")):
            with pytest.raises(ApiProblem) as raised:
                Session(connection).send("GET", path)
            assert (raised.value.slug, raised.value.detail) == (slug, detail)


def test_a_body_is_json_or_a_form(gateway: FakeGateway) -> None:
    """The field Content-Type says whether a body is JSON or a form."""
    gateway.on("POST", "/x", lambda call: Reply({"type": call.fields["content-type"]}))
    with closing(Connection(gateway.path, Caller())) as connection:
        session = Session(connection)
        session.send("POST", "/x", body={"a": 1})
        session.send("POST", "/x", form={"a": "ü"})
    json_call, form_call = gateway.calls
    assert (json_call.fields["content-type"], json_call.json) == ("application/json", {"a": 1})
    assert form_call.fields["content-type"] == "application/x-www-form-urlencoded"
    assert form_call.form == {"a": ["ü"]}
