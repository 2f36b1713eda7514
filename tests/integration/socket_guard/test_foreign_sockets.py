"""The end of a connection that another process has."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

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
