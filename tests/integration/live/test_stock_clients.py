"""Clients as their authors publish them: python-socketio, socket.io-client 4.6.0 and
its newest release.
"""

from __future__ import annotations

import pytest

from tests.servers.live import LiveProcess
from tests.servers.live_clients import PYTHON, STOCK, listening


@pytest.mark.parametrize("kind", STOCK)
def test_every_event_once_and_in_order(live: LiveProcess, tenant: str, kind: str) -> None:
    """A client receives each event after its position once and in order, old ones and new ones."""
    before = live.store(5, tenant=tenant)
    with listening(live.url, live.token(tid=tenant), before[1], kind=kind) as client:
        client.heard.wait("event", 3)
        later = live.store(3, tenant=tenant)
        client.heard.wait("event", 6)
    assert client.heard.ids == [*before[2:], *later]


@pytest.mark.parametrize("kind", STOCK)
def test_the_hello_of_the_tutorial_runs(live: LiveProcess, tenant: str, kind: str) -> None:
    """An unknown event gets a response and does not end the connection. A ping is acknowledged."""
    with listening(live.url, live.token(tid=tenant), kind=kind) as client:
        client.heard.wait("connect")
        client.emit("hello", {"from": "me"})
        assert client.heard.wait("result")[0]["ok"] is False
        client.emit("msg", {"op": "ping"})
        assert client.heard.wait("result", 2)[1] == {"ok": True, "op": "ping"}
        assert client.heard.wait("ack", 2)[1] == {"ok": True, "op": "ping"}
    assert "bye" not in dict(client.heard.all)


@pytest.mark.parametrize("kind", STOCK)
def test_what_is_refused_is_told(live: LiveProcess, tenant: str, kind: str) -> None:
    """A client without a valid token receives the problem that it would receive over HTTP."""
    with listening(live.url, "no.token.here", kind=kind) as client:
        problem = client.heard.wait("connect_error")[0]
        assert problem["type"] == "/problems/token-malformed"
        assert problem["status"] == 401


@pytest.mark.parametrize("kind", STOCK)
def test_by_polling_and_then_by_websocket(live: LiveProcess, tenant: str, kind: str) -> None:
    """A client that starts with polling receives each event exactly once.

    socket.io-client changes to a WebSocket, and python-socketio continues to poll.
    """
    before = live.store(2, tenant=tenant)
    options = {"transports": ["polling", "websocket"]}
    if kind == PYTHON:
        options = {"transports": ["polling"]}
    with listening(live.url, live.token(tid=tenant), 0, kind=kind, **options) as client:
        client.heard.wait("event", 2)
        later = live.store(2, tenant=tenant)
        client.heard.wait("event", 4)
    assert client.heard.ids == [*before, *later]
