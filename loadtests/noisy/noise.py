"""The noisy tenant: floods of small uploads, large transfers without a pause, and logins.

Each kind of noise is a separate process with a low priority, as if it ran on another machine. Only
the work that the noise causes in Wharf disturbs other tenants. The transfers share one link with a
limited rate. `python -m loadtests.noisy.noise KIND` reads its target from the environment. When
SIGTERM ends the process, it prints one line of JSON with the number of responses by status.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from loadtests.bench.machine import MIB
from loadtests.load.api import login_headers
from loadtests.load.site import BUCKET

KINDS = ("floods", "transfers", "logins")
_FLOODS, _TRANSFERS, _LOGINS = 32, 4, 8
TRANSFER_BYTES = 64 * MIB
_PIECE_BYTES = 256 << 10
_TIMEOUT_SECONDS = 60.0


class Link:
    """A limit of bytes a second in one direction, over all connections; 0 is no limit."""

    def __init__(self, bytes_per_second: float) -> None:
        self._rate, self._free_at, self._lock = bytes_per_second, 0.0, threading.Lock()
        self.moved = 0

    def take(self, count: int) -> None:
        """Wait until the link has carried `count` bytes."""
        with self._lock:
            self.moved += count
            if not self._rate:
                return
            self._free_at = max(self._free_at, time.monotonic() - 0.05) + count / self._rate
            wait = self._free_at - time.monotonic()
        if wait > 0:
            time.sleep(wait)


class Noise:
    """Threads that each send one request after another, and count the responses by status."""

    def __init__(self) -> None:
        self.port = int(os.environ["NOISE_PORT"])
        self.token = os.environ["NOISE_TOKEN"]
        self.client = (os.environ["NOISE_CLIENT"], os.environ["NOISE_SECRET"])
        self.source = Path(os.environ["NOISE_SOURCE"])
        self.answers: Counter[str] = Counter()
        rate = float(os.environ["NOISE_LINK_MBIT"]) * 1e6 / 8
        self.up, self.down = Link(rate), Link(rate)

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection from the noisy tenant's own address."""
        return http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=_TIMEOUT_SECONDS, source_address=("127.0.2.1", 0)
        )

    def flood(self, number: int) -> None:
        """Upload small files over one connection."""
        body = self.source.read_bytes()[:10_240]
        connection = self.connection()
        head = {"Authorization": f"Bearer {self.token}"}
        for count in range(1 << 40):
            path = f"/v1/files/{BUCKET}/{number}/{count % 100}.jpg"
            connection.request("PUT", path, body, head)
            self.count(connection)

    def transfer(self, number: int) -> None:
        """Upload a large file and download it, again and again."""
        connection = self.connection()
        head = {"Authorization": f"Bearer {self.token}"}
        path = f"/v1/files/{BUCKET}/large-{number}.jpg"
        buffer = bytearray(_PIECE_BYTES)
        while True:
            connection.putrequest("PUT", path)
            connection.putheader("Authorization", head["Authorization"])
            connection.putheader("Content-Length", str(self.source.stat().st_size))
            connection.endheaders()
            with self.source.open("rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    self.up.take(count)
                    connection.send(memoryview(buffer)[:count])
            self.count(connection)
            connection.request("GET", path, headers=head)
            reply = connection.getresponse()
            while count := reply.readinto(buffer):
                self.down.take(count)
            self.answers[str(reply.status)] += 1

    def login(self, number: int) -> None:
        """Log in again and again. Every fourth connection uses an unknown name."""
        connection = self.connection()
        body = b"grant_type=client_credentials"
        for count in range(1 << 40):
            wrong = number % 4 == 0
            head = login_headers(f"nobody-{count}" if wrong else self.client[0], self.client[1])
            connection.request("POST", "/auth/oauth/token", body, head)
            self.count(connection)

    def count(self, connection: http.client.HTTPConnection) -> None:
        """Read a response and count it."""
        reply = connection.getresponse()
        reply.read()
        self.answers[str(reply.status)] += 1


def main() -> None:
    """Make noise until SIGTERM ends the process."""
    noise = Noise()
    work, number = {
        "floods": (noise.flood, _FLOODS),
        "transfers": (noise.transfer, _TRANSFERS),
        "logins": (noise.login, _LOGINS),
    }[sys.argv[1]]
    os.nice(10)

    def end(*_: object) -> None:
        noise.answers["MB up"] = noise.up.moved // 1_000_000
        noise.answers["MB down"] = noise.down.moved // 1_000_000
        print(json.dumps(noise.answers), flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)

    def keep_on(one: int) -> None:
        while True:
            try:
                work(one)
            except (OSError, http.client.HTTPException):
                noise.answers["broken"] += 1

    for one in range(number):
        threading.Thread(target=keep_on, args=(one,), daemon=True).start()
    signal.pause()
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
