"""A service that does not respond: few threads wait for it, and other requests are refused.

A request to a service takes one of the service's places until the response arrives.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from servicekit import file_lock
from tests.servers.console import Console
from tests.servers.fake_gateway import Call, Reply
from wharf_console.api import bulkhead as bulkheads
from wharf_console.api import connection as connections
from wharf_console.api.bulkhead import Bulkhead, Places
from wharf_console.api.connection import Caller, Connection
from wharf_console.api.problems import ApiUnavailable

INI = Path(__file__).parents[3] / "services/console/uwsgi.ini"


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[str]:
    """Yield the path of a door that accepts connections and never responds."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "door"))
        listener.listen(50)
        yield str(tmp_path / "door")


def test_threads_are_left_for_pages_that_ask_nobody() -> None:
    """If neither service responds, fewer threads wait for them than uwsgi.ini has threads."""
    found = re.search(r"^threads = ([0-9]+)$", INI.read_text(), re.MULTILINE)
    assert found
    assert sum(bulkheads._MOST.values()) < int(found[1])


def test_one_too_many_is_refused_at_once() -> None:
    """If all places have waited too long for responses, a new request is refused immediately."""
    places = Places(2, patience=60.0)
    long_ago = time.monotonic() - 61
    places._begun.update({1: long_ago, 2: long_ago})
    begun = time.monotonic()
    with pytest.raises(ApiUnavailable), places.one():
        pass
    assert time.monotonic() - begun < 30
    del places._begun[1]
    with places.one():
        pass


def test_who_comes_meanwhile_is_refused_when_patience_ends() -> None:
    """A request waits for a place only until the requests with a place have waited too long."""
    places = Places(1, patience=0.3)
    places._begun[1] = begun = time.monotonic()
    with pytest.raises(ApiUnavailable), places.one():
        pass
    assert 0.3 <= time.monotonic() - begun < 30


def test_a_busy_service_refuses_nobody() -> None:
    """While the service responds, any number of requests wait for a place."""
    places = Places(2, patience=5.0)
    done = []

    def call() -> None:
        with places.one():
            time.sleep(0.05)
        done.append(1)

    callers = [threading.Thread(target=call) for _ in range(30)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    assert len(done) == 30


def test_who_has_a_place_needs_no_other() -> None:
    """A thread with a place needs no second place, for instance to refresh a token."""
    places = Places(1, patience=0.0)
    with places.one(), places.one():
        pass
    with places.one():
        pass


def test_the_two_services_have_places_of_their_own() -> None:
    """Upload and auth have separate places, so a login works while upload does not respond."""
    made = Bulkhead()
    assert made.of("/auth/login") is made.auth
    assert made.of("/v1/buckets") is not made.auth


def test_who_says_nothing_is_not_asked_again(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request without a response is not repeated, even on a connection that was used before."""
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.2)
    asked = []
    exchange = Connection._exchange

    def counted(self: Connection, *given: Any) -> Any:
        asked.append(given)
        return exchange(self, *given)

    monkeypatch.setattr(Connection, "_exchange", counted)
    with closing(Connection(silent, Caller())) as connection:
        connection._http = connections._DoorConnection(silent, b"PROXY UNKNOWN\r\n")
        with pytest.raises(ApiUnavailable, match="TimeoutError"):
            connection.request("GET", "/v1/usage")
    assert len(asked) == 1


def test_a_change_is_waited_for_longer(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changing request waits longer for its response, because it may have been carried out."""
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(connections, "_ANSWER_SECONDS", 0.4)
    for method, least in (("GET", 0.1), ("POST", 0.4)):
        with closing(Connection(silent, Caller())) as connection:
            begun = time.monotonic()
            with pytest.raises(ApiUnavailable):
                connection.request(method, "/v1/usage")
            assert time.monotonic() - begun >= least


def test_a_logout_waits_for_nobody(console: Console) -> None:
    """A logout ends the session without waiting for the session's lock or for a place."""
    browser, places = console.person(), console.context.bulkhead.auth
    token = browser.token()
    [record] = [
        one for one in (console.context.settings.folder / "tokens").iterdir() if one.is_file()
    ]
    places._begun.update(dict.fromkeys(range(bulkheads._MOST["auth"]), time.monotonic() - 60))
    with file_lock.held(record.parent / "locks" / record.name[:2]):
        reply = browser.client.post("/console/logout", data={"csrf_token": token})
    assert reply.status_code == 303
    assert not record.exists()
    places._begun.clear()
    assert browser.get("/console/account").location.startswith("/console/login")


def test_pages_of_a_service_that_hangs(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """If all places are taken, a page gets 503 with a request id, and a login still works."""
    monkeypatch.setattr(console.context.bulkhead._upload, "_patience", 0.1)
    browser = console.person()
    release = threading.Event()

    def hang(_: Call) -> Reply:
        release.wait(60)
        return Reply({"buckets": []})

    console.gateway.on("GET", "/v1/buckets", hang)
    cookie = browser.cookie()
    waiting: list[threading.Thread] = []
    for _ in range(bulkheads._MOST["upload"]):
        tab = console.visitor()
        tab.client.set_cookie("wharf_console", cookie)
        waiting.append(threading.Thread(target=tab.get, args=("/console/",)))
        waiting[-1].start()
    try:
        while len(console.context.bulkhead._upload._begun) < len(waiting):
            time.sleep(0.01)
        time.sleep(0.2)
        begun = time.monotonic()
        page = browser.get("/console/", headers={"X-Request-Id": "hanging-1"})
        assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
        assert "Number of this request" in page.text
        assert console.visitor().get("/console/login").status_code == 200
        assert console.visitor().get("/console/readyz").status_code == 200
        assert time.monotonic() - begun < 30
        assert browser.get("/console/account").status_code != 503
    finally:
        release.set()
        for one in waiting:
            one.join()
