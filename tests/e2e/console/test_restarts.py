"""Restarts, kills and outages of the console, and their effect on logged-in people."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.pages.visitor import Visitor
from tests.servers.wharf.instance import ROOT, Wharf, running
from tests.servers.wharf.raw_http import until

RESTARTS = 5
#: The number of concurrent requests, which is larger than the number of the console's threads.
CROWD = 14


@pytest.fixture(scope="module")
def alone() -> Iterator[Wharf]:
    """Start a Wharf for these tests only."""
    with running() as found:
        yield found


@pytest.fixture
def person(alone: Wharf) -> Visitor:
    """Return a person who is logged in."""
    visitor = Visitor(alone)
    assert visitor.login()[0] == 303
    return visitor


def restart(wharf: Wharf, *names: str) -> None:
    """Restart services with the command that an operator uses."""
    done = subprocess.run(
        [Path(sys.executable).with_name("wharf"), "restart", *names],
        env={**os.environ, "WHARF_DATA": str(wharf.data), "WHARF_PORT": str(wharf.port)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + wharf.output.read_text()


def test_restarts_under_load(alone: Wharf, person: Visitor) -> None:
    """Every page arrives for the same login while console and gateway restart several times."""
    stop, seen = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            seen.append(person.request("GET", "/console/")[0])

    browsers = [threading.Thread(target=look) for _ in range(2)]
    for one in browsers:
        one.start()
    try:
        for number in range(RESTARTS):
            restart(alone, "console", *(["gateway"] if number % 2 else []))
    finally:
        stop.set()
        for one in browsers:
            one.join()
    assert set(seen) == {200}
    assert len(seen) > RESTARTS


def test_a_killed_console_comes_back(alone: Wharf, person: Visitor) -> None:
    """A killed console is replaced and knows the sessions, and `upload` does not restart."""
    upload = alone.processes("upload.log")
    for pid in alone.processes("console.log"):
        os.kill(pid, signal.SIGKILL)
    assert until(lambda: person.request("GET", "/console/")[0] == 200)
    assert alone.processes("upload.log") == upload


def test_a_killed_gateway_opens_the_door_again(alone: Wharf, person: Visitor) -> None:
    """A killed nginx leaves a socket of the console door, which does not block the next nginx."""
    (master,) = [
        pid
        for pid in alone.processes("nginx.log")
        if Path(f"/proc/{pid}/stat").read_text().split()[3] == str(alone.process.pid)
    ]
    os.kill(master, signal.SIGKILL)

    def there() -> bool:
        try:
            return person.request("GET", "/console/")[0] == 200
        except OSError:
            return False

    assert until(there)
    assert master not in alone.processes("nginx.log")


@pytest.mark.parametrize("service", ["upload", "auth"])
def test_a_service_that_hangs_takes_nothing_else_away(
    alone: Wharf, person: Visitor, service: str
) -> None:
    """While a service hangs only its pages get 503: the login, static files and probes work."""
    address = {"upload": "/console/", "auth": "/console/account"}[service]
    answers: list[int] = []
    (style,) = re.findall(
        r'href="(/console/static/[^"]+[.]css)"', person.request("GET", "/console/")[2]
    )

    def look() -> None:
        status, fields, page = person.request("GET", address)
        answers.append(status)
        assert status != 503 or ("Retry-After" in fields and "Number of this request" in page)

    crowd = [threading.Thread(target=look) for _ in range(CROWD)]
    with alone.standing_still(service):
        for one in crowd:
            one.start()
        time.sleep(1)
        assert Visitor(alone).request("GET", "/console/login")[0] == 200
        # The login page arrived before the requests that wait for the service.
        assert any(one.is_alive() for one in crowd)
        for target in ("/console/login", style, "/console/readyz", "/console/nothing"):
            for _ in range(3):
                assert Visitor(alone).request("GET", target)[0] in {200, 303, 404}
        for one in crowd:
            one.join()
    assert answers == [503] * CROWD
    assert until(lambda: person.request("GET", address)[0] == 200)
