"""Sessions and token records behave the same in files and in Redis."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.servers.console import Console, console_on
from tests.servers.console_documents import serve_documents
from tests.servers.fake_gateway import Call, FakeGateway, Reply
from wharf_console.sessions.records import Person, TokenRecord, new_id
from wharf_console.sessions.stores import SessionStores
from wharf_console.settings import Settings


def record(token: str = "access-1") -> TokenRecord:
    """Return a record of a person's tokens."""
    person = Person(
        user_id="user-1",
        tenant="acme",
        username="ann",
        display_name="Ann",
        role="owner",
        scopes=frozenset(("files:read", "files:write")),
    )
    return TokenRecord(person=person, access_token=token, refresh_token="r", good_until=1.5)


def test_a_record_is_found_as_it_was_written(stores: SessionStores) -> None:
    """Reading a record returns its last written value. A deleted record is not found."""
    name = new_id()
    assert stores.records.read(name) is None
    stores.records.write(name, record())
    assert stores.records.read(name) == record()
    stores.records.write(name, record("access-2"))
    assert stores.records.read(name) == record("access-2")
    stores.records.delete(name)
    stores.records.delete(name)
    assert stores.records.read(name) is None


def test_one_thread_at_a_time_has_the_lock(stores: SessionStores) -> None:
    """One thread at a time has the lock of a record, so no increment is lost."""
    name = new_id()
    counted: list[int] = []

    def count() -> None:
        for _ in range(5):
            with stores.records.locked(name):
                seen = len(counted)
                time.sleep(0.002)
                assert len(counted) == seen
                counted.append(seen)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted == list(range(20))


def test_a_failure_gives_the_lock_back(stores: SessionStores) -> None:
    """An error under the lock releases the lock."""
    name = new_id()
    with pytest.raises(RuntimeError), stores.records.locked(name):
        raise RuntimeError
    with stores.records.locked(name):
        pass


_COUNT = """
import sys, time
from pathlib import Path
from wharf_console.sessions.stores import open_stores
url, folder, name, log = sys.argv[1:]
stores = open_stores(url, Path(folder), idle_seconds=1000, is_https=False)
for _ in range(10):
    with stores.records.locked(name):
        with open(log) as file: seen = int(file.read())
        time.sleep(0.005)
        with open(log, "w") as file: file.write(str(seen + 1))
"""


def test_one_process_at_a_time_has_the_lock(
    stores: SessionStores, url: str, tmp_path: Path
) -> None:
    """One process at a time has the lock of a record: no increment of three processes is lost."""
    log = tmp_path / "count"
    log.write_text("0")
    command = [sys.executable, "-c", _COUNT, url, str(tmp_path / "console"), new_id(), str(log)]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert log.read_text() == "30"


@pytest.fixture
def console(url: str, tmp_path: Path) -> Console:
    """Return a console that uses the stores."""
    gateway = FakeGateway(tmp_path / "door.sock")
    serve_documents(gateway)
    settings = Settings(data=tmp_path / "data", console_door=gateway.path, console_sessions=url)
    return console_on(settings, gateway)


def test_a_person_logs_in_and_out(console: Console) -> None:
    """A second console on the same stores finds a person's session until the person logs out."""
    try:
        browser = console.person()
        assert browser.get("/console/").status_code == 200
        other = console_on(console.context.settings, console.gateway).visitor()
        other.client.set_cookie("wharf_console", browser.cookie())
        assert other.get("/console/").status_code == 200
        browser.post("/console/logout")
        assert other.get("/console/").status_code == 303
    finally:
        console.gateway.close()


def test_a_form_of_one_console_is_taken_by_another(console: Console) -> None:
    """All consoles on the same stores sign forms with one secret."""
    try:
        browser = console.person()
        other = console_on(console.context.settings, console.gateway).visitor()
        other.client.set_cookie("wharf_console", browser.cookie())
        form = {"csrf_token": browser.token()}
        assert other.client.post("/console/logout", data=form).status_code == 303
        assert browser.get("/console/").status_code == 303
    finally:
        console.gateway.close()


def test_of_two_consoles_one_refreshes(console: Console) -> None:
    """When a token expires, one of four consoles with the same session refreshes the token once,
    and all pages load.
    """
    used: list[str] = []

    def refresh(call: Call) -> Reply:
        used.extend(call.form["refresh_token"])
        time.sleep(0.1)
        tokens = {"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 900}
        return Reply(tokens)

    try:
        browser = console.person()
        console.gateway.on("POST", "/auth/oauth/token", refresh)
        statuses: list[int] = []

        def open_page(one: Console) -> None:
            one.clock.now += 1000
            tab = one.visitor()
            tab.client.set_cookie("wharf_console", browser.cookie())
            statuses.append(tab.get("/console/").status_code)

        # The consoles are made here, because Werkzeug compiles routes and Python 3.11 cannot parse
        # in two threads at the same time (https://github.com/python/cpython/issues/106905).
        several = [console_on(console.context.settings, console.gateway) for _ in range(4)]
        tabs = [threading.Thread(target=open_page, args=(one,)) for one in several]
        for tab in tabs:
            tab.start()
        for tab in tabs:
            tab.join()
        assert statuses == [200] * 4
        assert used == ["refresh-1"]
    finally:
        console.gateway.close()
