"""Sockets that the supervisor opens for its children."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from wharf_native.listening import Listeners, listens_of

CONFIGURATION = """
worker_processes 3;
http {
    # listen 127.0.0.1:1;
    server { listen 127.0.0.1:2 backlog=4096 reuseport; }
    server {
        listen 127.0.0.1:2;
    }
    server {
        listen [::1]:3 default_server;
    }
    server {
        listen unix:/run/x.sock;
    }
}
"""


def test_what_nginx_listens_on() -> None:
    """Addresses are those of the configuration; with `reuseport` each worker has a socket."""
    configuration = CONFIGURATION.replace("server { listen", "server {\n listen")
    assert listens_of([configuration]) == (
        3,
        {"127.0.0.1:2": True, "[::1]:3": False, "unix:/run/x.sock": False},
    )
    assert listens_of(["worker_processes auto;"]) == (os.cpu_count(), {})


def test_a_unix_socket_stays(tmp_path: Path) -> None:
    """The same socket is given out until its file is gone; nobody else may connect to it."""
    path = str(tmp_path / "s")
    listeners = Listeners()
    first = os.fstat(listeners.unix(path)).st_ino
    assert os.fstat(listeners.unix(path)).st_ino == first
    assert os.stat(path).st_mode & 0o777 == 0o600
    os.unlink(path)
    assert os.fstat(listeners.unix(path)).st_ino != first
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    listeners.close()


def test_sockets_of_the_gateway(tmp_path: Path) -> None:
    """An address that is no longer named is closed, the others stay as they are."""
    with socket.socket() as one, socket.socket() as two:
        for probe in (one, two):
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in (one, two)]
    file = tmp_path / "nginx.conf"
    both = "worker_processes 2;\n" + "".join(f"listen 127.0.0.1:{port};\n" for port in ports)
    file.write_text(both)
    listeners = Listeners()
    assert len(listeners.of_gateway(str(tmp_path))) == 2
    file.write_text(f"worker_processes 2;\nlisten 127.0.0.1:{ports[0]};\n")
    assert len(listeners.of_gateway(str(tmp_path))) == 1
    socket.create_connection(("127.0.0.1", ports[0]), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[1]), timeout=5)
    listeners.close_tcp()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[0]), timeout=5)
