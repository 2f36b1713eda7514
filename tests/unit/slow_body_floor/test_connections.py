"""What the kernel says of connections, and the end of a foreign one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from slow_body_floor import connections, foreign_sockets

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
            assert foreign_sockets.end_reading([child.pid], inodes) == 1
            assert child.wait(10) == 0


def test_sockets_that_are_gone_are_no_error() -> None:
    """A process that has ended, and an inode that nobody has, end nothing."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert foreign_sockets.end_reading([child.pid, os.getpid()], [1]) == 0


def test_children_are_found() -> None:
    """A process knows its children by the kernel's word."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in foreign_sockets.children(os.getpid())
        child.communicate(b"\n")
