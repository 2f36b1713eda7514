"""Ending connections that belong to another process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from socket_guard import connections, foreign_sockets

# Accepts one connection, reports what it reads, and exits with 0 when it reads the end.
_READER = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
while connection.recv(100):
    print("got", flush=True)
"""


def test_another_process_reads_the_end() -> None:
    """`end` closes the socket of a child process by the socket's inode.

    The child reads an orderly end and exits with 0.
    """
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
    """After `end` with `reset`, the peer gets a connection error and the owner reads the end."""
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
    """`end` returns 0 for a process that has ended and for an inode that no process has."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert foreign_sockets.end([child.pid, os.getpid()], [1]) == 0


def test_children_are_found() -> None:
    """`children` returns the child processes that the kernel lists for a process."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in foreign_sockets.children(os.getpid())
        child.communicate(b"\n")
