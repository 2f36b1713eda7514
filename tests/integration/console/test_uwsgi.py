"""The console as it runs: its own uwsgi.ini, a real socket, signals, memory."""

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
# The console may add 60 MB to `make run`: 8 of them are programs and libraries, which others map,
# too. A walk of all pages and imports of people take 12 more than the login page alone, which took
# 41 when it was measured.
MAX_OWN_MEMORY_KB = 46 * 1024
# `client_max_body_size` of the console's pages.
LARGEST_BODY_BYTES = 1100 * 1024
# Of other services; they stand in the same environment.
FOREIGN = ("psycopg", "sqlalchemy", "argon2", "cryptography")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[uwsgi.Uwsgi]:
    """A console that serves; no gateway is behind its door."""
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
    """The login page, as the gateway asks for it."""
    sent = {"REQUEST_ID": "console-1", "HTTP_HOST": "localhost", "HTTP_ACCEPT": "text/html"}
    return uwsgi.request(server.socket, "GET", "/console/login", b"", sent)


def test_socket_is_for_its_user_alone(server: uwsgi.Uwsgi) -> None:
    """Who connects speaks as the gateway."""
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o600
    assert page(server).status == 200


def test_term_ends_it(server: uwsgi.Uwsgi) -> None:
    """All processes end, the socket is gone, and the exit code says that all is well."""
    assert page(server).status == 200
    before = server.processes()
    os.kill(before[0], signal.SIGTERM)
    assert server.wait() == 0
    assert not server.socket.exists()
    assert not [pid for pid in before if Path(f"/proc/{pid}").exists()]


def test_hup_replaces_the_worker_without_a_gap(server: uwsgi.Uwsgi) -> None:
    """Pages all through a reload: each comes, and in the end from another worker."""
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
    """Pages in all threads at once leave it within its bound, uWSGI's master included."""
    with ThreadPoolExecutor(8) as browsers:
        replies = list(browsers.map(lambda _: page(server), range(200)))
    assert {reply.status for reply in replies} == {200}
    assert server.own_memory_kb() < MAX_OWN_MEMORY_KB
    for pid in server.processes():
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert not [name for name in FOREIGN if name in maps]


def test_a_body_that_no_page_reads_is_taken_in(server: uwsgi.Uwsgi) -> None:
    """The largest body that the gateway lets through is read whole before it is refused: nginx
    gives up an answer that comes while it still sends.
    """
    sent = {"REQUEST_ID": "console-1", "HTTP_HOST": "localhost", "CONTENT_TYPE": "text/plain"}
    body = b"x" * LARGEST_BODY_BYTES
    replies = [uwsgi.request(server.socket, "POST", "/console/login", body, sent) for _ in range(5)]
    assert {reply.status for reply in replies} == {400}
