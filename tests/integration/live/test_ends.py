"""Live channels that are killed, stopped or lose their database: clients miss no event."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from servicekit.testing import Issuer
from tests.servers.live import LiveProcess, running_live
from tests.servers.live_clients import STOCK, listening, streaming
from tests.servers.ports import free_port


@pytest.fixture
def live(upload_template: Path, tmp_path: Path, issuer: Issuer) -> Iterator[LiveProcess]:
    """Yield a process for this test alone."""
    with running_live(upload_template, tmp_path, issuer) as process:
        yield process


def test_killed_and_told_to_end(live: LiveProcess) -> None:
    """Stock clients reconnect automatically after a kill and after a stop, and miss no event."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(listening(live.url, live.token(), 0, kind=kind)) for kind in STOCK
        ]
        live.store(3)
        for client in clients:
            client.heard.wait("event", 3)
        live.kill()
        live.store(3)
        live.start()
        for client in clients:
            client.heard.wait("event", 6)
        assert live.stop() == 0
        for client in clients:
            assert client.heard.wait("bye") == [{"reason": "restart"}]
        live.store(3)
        live.start()
        for client in clients:
            client.heard.wait("event", 9)
        numbers = live.cursors()
        assert [client.heard.ids for client in clients] == [numbers] * len(clients)


def test_a_stream_ends_with_a_word(live: LiveProcess) -> None:
    """When the live channel stops, a stream sends `bye` with the reason, and ends cleanly."""
    with streaming(live.url, live.token(), 0) as heard:
        live.store(2)
        heard.wait("event", 2)
        assert live.stop() == 0
        assert heard.wait("bye") == [{"reason": "restart"}]
        assert heard.wait("disconnect") == ["the stream ended"]


def test_without_its_database(live: LiveProcess) -> None:
    """While the database is down, open connections last and new ones get 503.
    `/readyz` reports the outage.
    """
    with listening(live.url, live.token(), 0) as client:
        client.heard.wait("connect")
        live.store(1)
        client.heard.wait("event")
        with live.records.database.transaction() as connection:
            connection.execute("ALTER TABLE events RENAME TO gone")
            connection.execute("ALTER TABLE alembic_version RENAME TO unknown")
        with streaming(live.url, live.token()) as refused:
            assert refused.of("status") == [503]
        client.heard.until(lambda: live.metric("wharf_live_database_up") == 0)
        answer = httpx.get(f"{live.url}/readyz")
        assert answer.status_code == 503
        assert list(answer.json()["down"]) == ["database"]
        assert httpx.get(f"{live.url}/healthz").status_code == 200
        with live.records.database.transaction() as connection:
            connection.execute("ALTER TABLE unknown RENAME TO alembic_version")
            connection.execute("ALTER TABLE gone RENAME TO events")
        live.store(1)
        client.heard.wait("event", 2)
        assert live.metric("wharf_live_database_up") == 1
        assert client.heard.of("disconnect") == []


def test_on_a_unix_socket(upload_template: Path, tmp_path: Path, issuer: Issuer) -> None:
    """The live channel listens on a socket that only its user may open. A separate
    port has the probes.
    """
    port = free_port()
    settings = {"WHARF_LIVE_SOCKET": "", "WHARF_LIVE_INTERNAL": f"127.0.0.1:{port}"}
    with running_live(upload_template, tmp_path, issuer, settings, port=port) as live:
        path = live.data / "run" / "live.sock"
        assert path.stat().st_mode & 0o777 == 0o600
        assert httpx.get(f"{live.url}/readyz").json() == {"status": "ready"}
        assert httpx.get(f"{live.url}/socket.io/?EIO=4&transport=polling").status_code == 404
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            assert client.get("http://live/healthz").json() == {"status": "ok"}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
        assert live.stop() == 0
