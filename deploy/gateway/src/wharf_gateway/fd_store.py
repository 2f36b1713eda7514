"""Keeps copies of the services' listening sockets while their containers are replaced (ADR 28).

A socket listens as long as somebody has it. The first process of a service's container leaves
copies here, and that of the next one asks for them (`servicekit/kept_sockets.py`): what nginx sends
meanwhile waits in the kernel. Packets on `keeper-INSTANCE.sock`, each answered by one:

    keep NAME DEVICE INODE   with the socket; DEVICE and INODE are of its file
    take NAME                answered with the socket and its numbers, or `none`
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from wharf_gateway.terminal import log

# How long a socket stays open that nobody serves any more. What waits in it is answered with 503
# then, and what comes later at once.
KEPT_SECONDS = 90.0
_POLL_SECONDS = 1.0
_PACKET_BYTES = 256
_REQUEST = re.compile(rb"(keep|take) ([a-z]{1,20}\.sock)(?: ([0-9]{1,20} [0-9]{1,20}))?")


@dataclass
class _Kept:
    descriptor: int
    numbers: bytes
    # The connection of the process that serves it, open as long as that lives; None: it has ended.
    owner: socket.socket | None
    until: float = 0.0


class FdStore:
    """One folder of sockets; `run` serves it in a thread until the process ends.

    Args:
        folder: has the services' sockets; only our user can enter it.
        instance: tells the stores of several gateways apart, which may share a folder.
        seconds: how long sockets are kept whose service has ended.
    """

    def __init__(self, folder: str, instance: str, seconds: float = KEPT_SECONDS) -> None:
        self._folder, self._seconds = folder, seconds
        self._path = f"{folder}/keeper-{instance}.sock"
        self._kept: dict[bytes, _Kept] = {}
        self._selector = selectors.DefaultSelector()

    def start(self) -> None:
        """Listens from now on. A folder that cannot be written to is said, and no more."""
        try:
            with suppress(FileNotFoundError):
                os.unlink(self._path)
            server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            server.bind(self._path)
            os.chmod(self._path, 0o600)
        except OSError as error:
            log(f"sockets in {self._folder} are not kept over restarts: {error}")
            return
        server.listen()
        self._selector.register(server, selectors.EVENT_READ)
        threading.Thread(target=self._run, args=(server,), name="fd-store", daemon=True).start()

    def _run(self, server: socket.socket) -> None:
        while True:
            for key, _ in self._selector.select(_POLL_SECONDS):
                if key.fileobj is server:
                    self._selector.register(server.accept()[0], selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket):
                    self._answer(key.fileobj)
            self._forget_abandoned()

    def _answer(self, client: socket.socket) -> None:
        try:
            packet, descriptors, _, _ = socket.recv_fds(client, _PACKET_BYTES, 2)
            if packet:
                self._obey(client, packet, descriptors)
                return
        except OSError:
            pass
        # Its process has ended; what it left here stays for the next one.
        for kept in self._kept.values():
            if kept.owner is client:
                kept.owner, kept.until = None, time.monotonic() + self._seconds
        self._selector.unregister(client)
        client.close()

    def _obey(self, client: socket.socket, packet: bytes, descriptors: list[int]) -> None:
        match = _REQUEST.fullmatch(packet)
        if match and match[1] == b"keep" and match[3] and len(descriptors) == 1:
            self._forget(match[2])
            self._kept[match[2]] = _Kept(descriptors[0], match[3], client)
            client.send(b"kept")
            return
        for descriptor in descriptors:
            os.close(descriptor)
        kept = self._kept.get(match[2]) if match and match[1] == b"take" else None
        if kept is None:
            client.send(b"none")
        else:
            socket.send_fds(client, [kept.numbers], [kept.descriptor])

    def _forget_abandoned(self) -> None:
        now = time.monotonic()
        for name in [name for name, one in self._kept.items() if not one.owner]:
            if now > self._kept[name].until:
                self._forget(name)

    def _forget(self, name: bytes) -> None:
        if (old := self._kept.pop(name, None)) is not None:
            os.close(old.descriptor)
