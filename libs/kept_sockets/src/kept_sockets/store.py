"""The gateway's side: keeps a copy of a socket for some time after it was left or renewed."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress

from kept_sockets import packets

_POLL_SECONDS = 1.0


class FdStore:
    """Serves one folder of sockets in a thread, until the process ends.

    Args:
        folder: has the services' sockets; only our user can enter it.
        instance: tells the stores of several gateways apart, which may share a folder.
        seconds: how long a copy is kept. Then what waits for a service that is gone is answered
            with 503, and what comes later at once.
    """

    def __init__(self, folder: str, instance: str, seconds: float = 90) -> None:
        self._path = f"{folder}/{packets.STORE_NAME.format(instance)}"
        self._seconds = seconds
        # By name: the copy, the numbers of its file, and when it is closed.
        self._kept: dict[bytes, tuple[socket.socket, bytes, float]] = {}

    def start(self) -> None:
        """Listen from now on; raises OSError when the folder cannot be written to."""
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        server = packets.new_socket(_POLL_SECONDS)
        server.bind(self._path)
        os.chmod(self._path, 0o600)
        server.listen()
        threading.Thread(target=self._run, args=(server,), name="fd-store", daemon=True).start()

    def _run(self, server: socket.socket) -> None:
        while True:
            # An error: no client came within a second, or it has left without its answer.
            with suppress(OSError):
                client, _ = server.accept()
                with client:
                    client.settimeout(_POLL_SECONDS)
                    self._answer(client)
            now = time.monotonic()
            for name in [name for name, (_, _, until) in self._kept.items() if now > until]:
                self._kept.pop(name)[0].close()

    def _answer(self, client: socket.socket) -> None:
        packet, listener = packets.receive(client)
        verb, _, rest = packet.partition(b" ")
        name, _, numbers = rest.partition(b" ")
        if listener is not None:
            if name in self._kept:
                self._kept.pop(name)[0].close()
            self._kept[name] = listener, numbers, time.monotonic() + self._seconds
            client.send(b"kept")
        elif verb == b"take" and name in self._kept:
            listener, numbers, _ = self._kept[name]
            socket.send_fds(client, [numbers], [listener.fileno()])
        else:
            client.send(b"none")
