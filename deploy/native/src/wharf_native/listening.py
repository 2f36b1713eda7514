"""Listening sockets that outlive the processes that serve them (ADR 28).

The supervisor opens them and keeps them; a child inherits them. While one process gives way to the
next, connections wait in the kernel: none is refused, none is reset.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# The kernel caps it at net.core.somaxconn.
_BACKLOG = 4096
_UNIX = "unix:"
_LISTEN = re.compile(r"^\s*listen\s+([^\s;]+)([^;]*);", re.MULTILINE)
_WORKERS = re.compile(r"^\s*worker_processes\s+(\w+)\s*;", re.MULTILINE)
_PORT = re.compile(r"^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]+)$")


@dataclass
class _OnDisk:
    listener: socket.socket
    device: int
    inode: int

    def is_at(self, path: str) -> bool:
        """Whether somebody who connects to the path reaches this socket."""
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == (self.device, self.inode)


class Listeners:
    """The sockets, by address; descriptors are given out, never ownership."""

    def __init__(self) -> None:
        self._unix: dict[str, _OnDisk] = {}
        self._tcp: dict[str, list[socket.socket]] = {}

    def unix(self, path: str) -> int:
        """The descriptor of a unix socket for this user alone; bound anew when its file is gone."""
        found = self._unix.get(path)
        if found is None or not found.is_at(path):
            if found is not None:
                found.listener.close()
            found = self._unix[path] = _bind_unix(path)
        return found.listener.fileno()

    def tcp(self, address: str, count: int, *, shared: bool) -> list[int]:
        """Descriptors of `count` sockets at one `host:port`; `shared`: the kernel shares out
        connections between them.

        Raises:
            OSError: somebody else listens there.
        """
        opened = self._tcp.setdefault(address, [])
        while len(opened) > count:
            opened.pop().close()
        while len(opened) < count:
            opened.append(_bind_tcp(address, shared=shared))
        return [one.fileno() for one in opened]

    def of_gateway(self, folder: str) -> list[int]:
        """What nginx's rendered configuration listens on; all else of TCP is closed."""
        workers, wanted = listens_of(_texts(folder))
        found = []
        for address, shared in wanted.items():
            if address.startswith(_UNIX):
                found.append(self.unix(address.removeprefix(_UNIX)))
            elif _PORT.match(address):
                found += self.tcp(address, workers if shared else 1, shared=shared)
        for address in self._tcp.keys() - wanted.keys():
            for one in self._tcp.pop(address):
                one.close()
        return found

    def close_tcp(self) -> None:
        """Refuses new connections from now on, as soon as nobody else has the sockets."""
        for sockets in self._tcp.values():
            for one in sockets:
                one.close()
        self._tcp.clear()

    def close(self) -> None:
        """Closes all of them; the files of unix sockets stay."""
        self.close_tcp()
        for found in self._unix.values():
            found.listener.close()
        self._unix.clear()


def listens_of(texts: Iterable[str]) -> tuple[int, dict[str, bool]]:
    """nginx's number of workers, and by address whether each worker has a socket of its own."""
    workers = 1
    wanted: dict[str, bool] = {}
    for text in texts:
        for number in _WORKERS.findall(text):
            # nginx counts the processors that are online, as Python does.
            workers = (os.cpu_count() or 1) if number == "auto" else int(number)
        for address, options in _LISTEN.findall(text):
            wanted[address] = wanted.get(address, False) or "reuseport" in options.split()
    return workers, wanted


def _texts(folder: str) -> Iterable[str]:
    for path in sorted(Path(folder).rglob("*.conf")):
        yield path.read_text(encoding="utf-8")


def _bind_unix(path: str) -> _OnDisk:
    # Whoever inherits a socket knows it by this name: it cannot be bound elsewhere and renamed.
    with suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    # Whoever reaches it can run code.
    os.chmod(path, 0o600)
    _listen(listener)
    found = os.lstat(path)
    return _OnDisk(listener, found.st_dev, found.st_ino)


def _bind_tcp(address: str, *, shared: bool) -> socket.socket:
    match = _PORT.match(address)
    if match is None:
        raise ValueError(address)
    version6, version4, port = match.groups()
    listener = socket.socket(socket.AF_INET6 if version6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if version6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((version6 or version4, int(port)))
        _listen(listener)
    except OSError:
        listener.close()
        raise
    return listener


def _listen(listener: socket.socket) -> None:
    listener.listen(_BACKLOG)
    # Several processes wait for one connection, and all but one must not wait for the next.
    listener.setblocking(False)
