"""A service that hangs: a few threads wait for it, the others are refused and free again."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.servers.console import Call, Console, Reply
from wharf_console.api import bulkhead as bulkheads
from wharf_console.api import connection as connections
from wharf_console.api.bulkhead import Bulkhead, Places
from wharf_console.api.connection import Caller, Connection
from wharf_console.api.problems import ApiUnavailable

INI = Path(__file__).parents[3] / "services/console/uwsgi.ini"


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[str]:
    """A door that lets everybody in, and says nothing."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "door"))
        listener.listen(50)
        yield str(tmp_path / "door")


def test_threads_are_left_for_pages_that_ask_nobody() -> None:
    """Both services may hang at once: fewer threads wait for them than uwsgi.ini has."""
    found = re.search(r"^threads = ([0-9]+)$", INI.read_text(), re.MULTILINE)
    assert found
    assert sum(bulkheads._MOST.values()) < int(found[1])


def test_one_too_many_is_refused_at_once() -> None:
    """Where all have waited for their patience, nobody begins to, until a place is free."""
    places = Places(2, patience=0.05)
    release = threading.Event()

    def wait() -> None:
        with places.one():
            release.wait(5)

    waiting = [threading.Thread(target=wait) for _ in range(2)]
    for one in waiting:
        one.start()
    time.sleep(0.1)
    begun = time.monotonic()
    with pytest.raises(ApiUnavailable), places.one():
        pass
    assert time.monotonic() - begun < 0.05
    release.set()
    for one in waiting:
        one.join()
    with places.one():
        pass


def test_a_busy_service_refuses_nobody() -> None:
    """While answers come, whoever finds no place waits for one, however many there are."""
    places = Places(2, patience=0.5)
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
    """A refresh under the lock of a session is one wait, not two."""
    places = Places(1, patience=0.0)
    with places.one(), places.one():
        pass
    with places.one():
        pass


def test_the_two_services_have_places_of_their_own() -> None:
    """A hanging service of files keeps nobody from logging in."""
    made = Bulkhead()
    assert made.of("/auth/login") is made.auth
    assert made.of("/v1/buckets") is not made.auth


def test_who_says_nothing_is_not_asked_again(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not on a kept connection: a page waits once for an answer."""
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.2)
    with closing(Connection(silent, Caller())) as connection:
        connection._http = connections._DoorConnection(silent, b"PROXY UNKNOWN\r\n")
        begun = time.monotonic()
        with pytest.raises(ApiUnavailable, match="TimeoutError"):
            connection.request("GET", "/v1/usage")
    assert time.monotonic() - begun < 0.35


def test_a_change_is_waited_for_longer(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether it was made when its answer is not read."""
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(connections, "_ANSWER_SECONDS", 0.4)
    for method, least in (("GET", 0.1), ("POST", 0.4)):
        with closing(Connection(silent, Caller())) as connection:
            begun = time.monotonic()
            with pytest.raises(ApiUnavailable):
                connection.request(method, "/v1/usage")
            assert time.monotonic() - begun >= least


def test_pages_of_a_service_that_hangs(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones wait, the next ones get a page with a number at once; the login is free."""
    monkeypatch.setattr(console.context.bulkhead._upload, "_patience", 0.1)
    browser = console.person()
    release = threading.Event()

    def hang(_: Call) -> Reply:
        release.wait(10)
        return Reply({"buckets": []})

    console.gateway.on("GET", "/v1/buckets", hang)
    cookie, waiting = browser.cookie(), []
    with ExitStack() as ending:
        ending.callback(lambda: [one.join() for one in waiting])
        ending.callback(release.set)
        for _ in range(bulkheads._MOST["upload"]):
            tab = console.visitor()
            tab.client.set_cookie("wharf_console", cookie)
            waiting.append(threading.Thread(target=tab.get, args=("/console/",)))
            waiting[-1].start()
        time.sleep(0.5)
        begun = time.monotonic()
        page = browser.get("/console/", headers={"X-Request-Id": "hanging-1"})
        assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
        assert "Number of this request" in page.text
        assert console.visitor().get("/console/login").status_code == 200
        assert console.visitor().get("/console/readyz").status_code == 200
        assert time.monotonic() - begun < 1
        assert browser.get("/console/account").status_code != 503
