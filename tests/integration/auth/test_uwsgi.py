"""The auth service as it runs: its uwsgi.ini, a real socket, signals."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import uwsgi
from tests.servers.auth import TOKEN
from wharf_auth.provisioning import Entry, read_credentials
from wharf_auth.settings import Settings

INI = Path(__file__).parents[3] / "services" / "auth" / "uwsgi.ini"
FORM = b"grant_type=client_credentials"
# All of Wharf may use 220 MB. This service used 57 MB when it was measured, and 7 MB more for each
# hash that stays in a thread.
MAX_OWN_MEMORY_KB = 66 * 1024


@pytest.fixture
def environ(auth_settings: Settings, tmp_path: Path) -> dict[str, str]:
    """Return the environment that a process manager sets."""
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    return {
        "WHARF_DATA": str(auth_settings.data),
        "WHARF_AUTH_SOCKET": "{socket}",
        "WHARF_AUTH_SECRETS_SOCKET": "{folder}/secrets.sock",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }


@pytest.fixture
def server(environ: dict[str, str]) -> Iterator[uwsgi.Uwsgi]:
    with uwsgi.running(["--ini", str(INI)], environ) as running:
        running.wait_until_ready()
        # The master has loaded the application, and both of its processes serve.
        assert {keys(running, path).status for path in sockets(running)} == {200}
        yield running


@pytest.fixture
def demo(auth_settings: Settings) -> Entry:
    return read_credentials(auth_settings.credentials_path)["demo"]


def parameters(entry: Entry, secret: str | None = None) -> dict[str, str]:
    pair = f"{entry.client_id}:{secret or entry.client_secret}"
    return {
        "HTTP_AUTHORIZATION": "Basic " + b64encode(pair.encode()).decode(),
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "REQUEST_ID": "req-1",
    }


def sockets(server: uwsgi.Uwsgi) -> tuple[Path, Path]:
    """Return the socket for other requests, and the socket for requests with a secret."""
    return server.socket, server.socket.with_name("secrets.sock")


def login(server: uwsgi.Uwsgi, entry: Entry, secret: str | None = None) -> uwsgi.Reply:
    return uwsgi.request(sockets(server)[1], "POST", TOKEN, FORM, parameters(entry, secret))


def keys(server: uwsgi.Uwsgi, path: Path | None = None) -> uwsgi.Reply:
    """Send a request without a secret."""
    return uwsgi.request(path or server.socket, "GET", "/.well-known/jwks.json")


def test_it_issues_tokens(server: uwsgi.Uwsgi, demo: Entry) -> None:
    """A login over the socket gets a token. The response and the log have
    the gateway's request id.
    """
    reply = login(server, demo)
    assert reply.status == 200
    assert json.loads(reply.body)["token_type"] == "Bearer"
    assert reply.headers["X-Request-Id"] == "req-1"
    assert '"request_id":"req-1"' in server.log
    assert demo.client_secret not in server.log
    assert json.loads(reply.body)["access_token"] not in server.log


def test_socket_is_for_its_user_alone(server: uwsgi.Uwsgi) -> None:
    """Only the service's user may connect to its socket, because a connection counts as the gateway
    (row 75 of docs/security.md).
    """
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o600


def test_term_lets_requests_finish(server: uwsgi.Uwsgi, demo: Entry) -> None:
    """After SIGTERM a login in flight gets its token. Then all processes end and
    the socket is removed.
    """
    before = server.processes()
    with uwsgi.connect(server.socket) as connection:
        uwsgi.send_head(connection, "POST", TOKEN, parameters(demo), len(FORM))
        connection.sendall(FORM[:10])
        time.sleep(0.5)
        server.terminate()
        time.sleep(1)
        assert server.process.poll() is None
        connection.sendall(FORM[10:])
        assert uwsgi.read_reply(connection).status == 200
    assert server.wait() == 0
    assert not server.socket.exists()
    assert not [pid for pid in before if Path(f"/proc/{pid}").exists()]


def test_hup_replaces_the_workers_without_a_gap(server: uwsgi.Uwsgi, demo: Entry) -> None:
    """During a reload each request gets a response, and afterwards new workers serve."""
    master, *workers = server.processes()
    os.kill(master, signal.SIGHUP)
    until = time.monotonic() + uwsgi.START_SECONDS
    while time.monotonic() < until and set(workers) & set(server.processes()):
        assert login(server, demo).status == 200
        assert keys(server).status == 200
    assert login(server, demo).status == 200
    assert keys(server).status == 200
    assert server.processes()[0] == master
    assert len(set(server.processes()) - {*workers, master}) == 2


def test_failures_are_counted_across_workers(server: uwsgi.Uwsgi, demo: Entry) -> None:
    """Failures are counted in shared memory, so the count does not change when a worker dies."""
    if time.time() % 60 > 50:
        # uWSGI's counters use windows of one minute of the clock, and this test must fit into one.
        time.sleep(60.1 - time.time() % 60)
    assert {login(server, demo, "wrong").status for _ in range(6)} == {401}
    os.kill(server.processes()[2], signal.SIGKILL)
    time.sleep(1)
    assert [login(server, demo, "wrong").status for _ in range(6)] == [401] * 4 + [429] * 2
    assert login(server, demo).status == 429


def test_memory_stays_small(server: uwsgi.Uwsgi, demo: Entry) -> None:
    """Concurrent logins in all threads leave no memory of argon2 allocated."""

    def work() -> None:
        for _ in range(5):
            assert login(server, demo).status == 200

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.own_memory_kb() < MAX_OWN_MEMORY_KB


def test_heavy_libraries_are_not_loaded(server: uwsgi.Uwsgi, demo: Entry) -> None:
    """With SQLite and uWSGI's cache, no driver of another database is loaded."""
    assert login(server, demo).status == 200
    for pid in server.processes():
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert not [name for name in ("psycopg", "sqlalchemy", "libpq") if name in maps]


def test_metrics_are_those_of_all_processes(server: uwsgi.Uwsgi, demo: Entry) -> None:
    """The internal port sums the metrics of all processes from shared files."""
    login(server, demo)
    reply = uwsgi.request(server.socket, "GET", "/metrics", parameters={"WHARF_INTERNAL": "1"})
    assert reply.status == 200
    assert b'wharf_auth_tokens_issued_total{grant="client_credentials"} 1.0' in reply.body
    assert uwsgi.request(server.socket, "GET", "/metrics").status == 404


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("WHARF_TOKEN_TTL_SECONDS", "soon", "WHARF_TOKEN_TTL_SECONDS='soon': allowed is"),
        ("WHARF_DATA", "/nonexistent", "the key directory /nonexistent/auth/keys cannot be read"),
        ("WHARF_DATABASE_URL", "mysql://x", "WHARF_DATABASE_URL: 'mysql' is unknown"),
    ],
)
def test_wrong_settings_stop_it(environ: dict[str, str], name: str, value: str, line: str) -> None:
    """A wrong setting ends auth with one line and an exit code. auth does not restart its
    workers again and again.
    """
    with uwsgi.running(["--ini", str(INI)], {**environ, name: value}) as server:
        assert server.wait() != 0
        assert server.log.count("wharf-auth: ") == 1
        assert f"wharf-auth: {line}" in server.log
        assert "Traceback" not in server.log
        assert not server.socket.exists()


def test_open_key_stops_it(environ: dict[str, str]) -> None:
    """A private key that other users can read stops auth at startup."""
    (key,) = (Path(environ["WHARF_DATA"]) / "auth" / "keys").glob("*.pem")
    key.chmod(0o644)
    with uwsgi.running(["--ini", str(INI)], environ) as server:
        assert server.wait() != 0
        assert f"{key} is open to others" in server.log
