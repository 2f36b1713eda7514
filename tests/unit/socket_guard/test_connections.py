"""What the kernel says of connections, and the end of a foreign one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from socket_guard import connections, foreign_sockets

# Takes one connection, says so, and exits with 0 when it reads the end of it.
_READER = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
while connection.recv(100):
    print("got", flush=True)
"""


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_bytes_are_counted(family: socket.AddressFamily, host: str) -> None:
    """Bytes in both directions and the inode are those of the server's side."""
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
    """Bytes that the peer does not take are queued; what came last is known by its age."""
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
    """A socket for both families counts clients of IPv4 under their own address."""
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
    """One address has the sum of what it has to each port; a client's own port is told."""
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
    """Without the kernel's file nothing is known, which is not zero."""
    monkeypatch.setattr(connections, "_TOTALS", ("/nowhere", "/proc/self/comm"))
    assert connections.all_sockets() is None


def test_other_ports_are_left_out() -> None:
    """A port that nobody is connected to has no connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert connections.established(server.getsockname()[1]) == []


def test_many_connections_are_all_there() -> None:
    """The kernel's answer comes in several parts; none is lost."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as server:
        clients = [socket.create_connection(server.getsockname()) for _ in range(400)]
        accepted = [server.accept()[0] for _ in clients]
        found = connections.established(server.getsockname()[1])
        assert len({one.cookie for one in found}) == 400
        for connection in (*clients, *accepted):
            connection.close()


def test_another_process_reads_the_end() -> None:
    """The socket of a child is ended by its inode; the child sees an orderly end and exits."""
    with subprocess.Popen([sys.executable, "-c", _READER], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"x")
            assert child.stdout.readline() == b"got\n"
            inodes = [one.inode for one in connections.established(port)]
            assert foreign_sockets.end([child.pid], inodes) == 1
            assert child.wait(10) == 0


def test_a_reset_is_one() -> None:
    """The peer learns that its bytes are lost, and the owner reads the end."""
    with subprocess.Popen([sys.executable, "-c", _READER], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"x")
            assert child.stdout.readline() == b"got\n"
            inodes = [one.inode for one in connections.established(port)]
            assert foreign_sockets.end([child.pid], inodes, reset=True) == 1
            assert child.wait(10) == 0
            client.settimeout(10)
            with pytest.raises(ConnectionError):
                _talk(client)


def _talk(client: socket.socket) -> None:
    while client.recv(1) == b"":
        client.send(b"x")


def test_sockets_that_are_gone_are_no_error() -> None:
    """A process that has ended, and an inode that nobody has, end nothing."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert foreign_sockets.end([child.pid, os.getpid()], [1]) == 0


def test_children_are_found() -> None:
    """A process knows its children by the kernel's word."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in foreign_sockets.children(os.getpid())
        child.communicate(b"\n")
