"""Connections as the kernel reports them to the guard."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack

import pytest

from socket_guard import connections


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_bytes_are_counted(family: socket.AddressFamily, host: str) -> None:
    """The kernel reports the bytes in both directions and the inode of the server's side."""
    with socket.create_server((host, 0), family=family) as server:
        address = server.getsockname()
        with socket.create_connection(address[:2]) as client:
            accepted, _ = server.accept()
            with accepted:
                client.sendall(b"x" * 1000)
                assert accepted.recv(1000, socket.MSG_WAITALL)
                accepted.sendall(b"y" * 70)
                client.recv(70, socket.MSG_WAITALL)
                [found] = connections.established(address[1])
                assert found.received == 1000
                assert found.sent == 70
                assert found.inode == os.fstat(accepted.fileno()).st_ino
                assert found.peer == host


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_what_is_silent_and_since_when(family: socket.AddressFamily, host: str) -> None:
    """Bytes that the peer does not read count as queued; the time of the last transfer is known."""
    with socket.create_server((host, 0), family=family) as server:
        address = server.getsockname()
        with socket.create_connection(address[:2]) as client:
            accepted, _ = server.accept()
            with accepted:
                client.sendall(b"x")
                assert accepted.recv(1)
                accepted.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    accepted.sendall(bytes(1 << 25))
                [found] = connections.established(address[1])
                assert found.queued > 0
                assert max(found.received_ms, found.sent_ms) < 60_000


def test_connections_are_counted_by_address() -> None:
    """A socket for IPv4 and IPv6 counts IPv4 clients by their IPv4 address."""
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        ExitStack() as clients,
    ):
        port = server.getsockname()[1]
        for host, own in (("127.0.0.1", "127.0.0.2"), ("127.0.0.1", "127.0.0.2"), ("::1", "::1")):
            address = (host, port)
            clients.enter_context(socket.create_connection(address, source_address=(own, 0)))
            clients.enter_context(server.accept()[0])
        assert connections.count(port) == {"127.0.0.2": 2, "::1": 1}
        assert (connections.all_sockets() or 0) >= 7
        inodes = [one.inode for one in connections.established(port)]
        assert 0 not in inodes


def test_connections_of_several_ports_are_an_addresses_together() -> None:
    """An address's connections to several ports are summed, and the client's port is reported."""
    with ExitStack() as clients:
        ports, own = [], set()
        for _ in range(2):
            server = clients.enter_context(socket.create_server(("127.0.0.1", 0)))
            ports.append(server.getsockname()[1])
            client = clients.enter_context(socket.create_connection(("127.0.0.1", ports[-1])))
            own.add(client.getsockname()[1])
            clients.enter_context(server.accept()[0])
        assert connections.count(*ports) == {"127.0.0.1": 2}
        assert {one.port for one in connections.established(*ports)} == own


def test_a_kernel_that_does_not_tell_all_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the kernel's file the number of sockets is unknown, which is not zero."""
    monkeypatch.setattr(connections, "_TOTALS", ("/nowhere", "/proc/self/comm"))
    assert connections.all_sockets() is None


def test_other_ports_are_left_out() -> None:
    """A port without connections has none in the report."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert connections.established(server.getsockname()[1]) == []


def test_many_connections_are_all_there() -> None:
    """If the kernel's response has several parts, the connections of all parts are reported."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as server:
        clients = [socket.create_connection(server.getsockname()) for _ in range(400)]
        accepted = [server.accept()[0] for _ in clients]
        found = connections.established(server.getsockname()[1])
        assert len({one.cookie for one in found}) == 400
        for connection in (*clients, *accepted):
            connection.close()
