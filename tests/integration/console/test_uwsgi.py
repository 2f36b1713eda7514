"""The console as it runs: its uwsgi.ini, a real socket, signals, memory."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.servers import uwsgi

INI = Path(__file__).parents[3] / "services" / "console" / "uwsgi.ini"
# The console may add 60 MB to `make run`. 8 MB of them are programs and libraries that other
# processes map, too. Requests for all pages and an import of people need 12 MB more than the login
# page alone, which needed 41 MB when it was measured.
MAX_OWN_MEMORY_KB = 46 * 1024
# `client_max_body_size` of the console's pages.
LARGEST_BODY_BYTES = 1100 * 1024
# Libraries of other services in the same environment.
FOREIGN = ("psycopg", "sqlalchemy", "argon2", "cryptography")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[uwsgi.Uwsgi]:
    """Yield a console that serves, without a gateway behind its door."""
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    environ = {
        "WHARF_DATA": str(tmp_path),
        "WHARF_CONSOLE_SOCKET": "{socket}",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }
    with uwsgi.running(["--ini", str(INI)], environ) as running:
        running.wait_until_ready()
        yield running


def page(server: uwsgi.Uwsgi) -> uwsgi.Reply:
    """Request the login page as the gateway does."""
    sent = {"REQUEST_ID": "console-1", "HTTP_HOST": "localhost", "HTTP_ACCEPT": "text/html"}
    return uwsgi.request(server.socket, "GET", "/console/login", b"", sent)


def test_socket_is_for_its_user_alone(server: uwsgi.Uwsgi) -> None:
    """Only the console's user may connect to its socket, because a connection counts
    as the gateway.
    """
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o600
    assert page(server).status == 200


def test_term_ends_it(server: uwsgi.Uwsgi) -> None:
    """SIGTERM ends all processes and removes the socket, and the exit code is 0."""
    assert page(server).status == 200
    before = server.processes()
    os.kill(before[0], signal.SIGTERM)
    assert server.wait() == 0
    assert not server.socket.exists()
    assert not [pid for pid in before if Path(f"/proc/{pid}").exists()]


def test_hup_replaces_the_worker_without_a_gap(server: uwsgi.Uwsgi) -> None:
    """During a reload each page is served, and afterwards a new worker serves."""
    master, worker = server.processes()
    os.kill(master, signal.SIGHUP)
    until = time.monotonic() + uwsgi.START_SECONDS
    while time.monotonic() < until and (
        worker in server.processes() or server.log.count("app 0") < 2
    ):
        assert page(server).status == 200
    assert server.processes()[0] == master
    assert worker not in server.processes()


def test_memory_stays_small(server: uwsgi.Uwsgi) -> None:
    """Concurrent pages in all threads keep the memory of all processes below its limit, and load no
    library of another service.
    """
    with ThreadPoolExecutor(8) as browsers:
        replies = list(browsers.map(lambda _: page(server), range(200)))
    assert {reply.status for reply in replies} == {200}
    assert server.own_memory_kb() < MAX_OWN_MEMORY_KB
    for pid in server.processes():
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert not [name for name in FOREIGN if name in maps]


def test_a_body_that_no_page_reads_is_taken_in(server: uwsgi.Uwsgi) -> None:
    """The console reads a body up to the gateway's limit before it refuses the request, because
    nginx drops a response that arrives while nginx still sends the body.
    """
    sent = {"REQUEST_ID": "console-1", "HTTP_HOST": "localhost", "CONTENT_TYPE": "text/plain"}
    body = b"x" * LARGEST_BODY_BYTES
    replies = [uwsgi.request(server.socket, "POST", "/console/login", body, sent) for _ in range(5)]
    assert {reply.status for reply in replies} == {400}
