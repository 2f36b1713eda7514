"""Quiet tenants: timed small requests at a steady rate, each tenant from its own address."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from loadtests.load.api import Account
from loadtests.load.site import BUCKET

_JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")
_BODY = _JPEG + os.urandom(10_240 - len(_JPEG))
_TIMEOUT_SECONDS = 60.0


class QuietFailed(Exception):
    """Wharf refused a quiet tenant's request, or its connection broke."""


@dataclass
class Times:
    """The response times of all tenants in milliseconds, by kind of request."""

    by_kind: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, other: Times) -> None:
        """Add the times of another measurement."""
        for kind, found in other.by_kind.items():
            self.by_kind[kind].extend(found)

    def quantile(self, part: float, kind: str = "") -> float:
        """Return a quantile in milliseconds, of one kind or of all kinds."""
        found = sorted(
            one for name, times in self.by_kind.items() if kind in {"", name} for one in times
        )
        return found[min(len(found) - 1, int(part * len(found)))] if found else 0.0

    def number(self) -> int:
        """Return the number of requests."""
        return sum(len(times) for times in self.by_kind.values())


class Quiet(threading.Thread):
    """A client of one tenant that sends a request each `pause` seconds until `stop`."""

    def __init__(self, port: int, account: Account, number: int, pause: float) -> None:
        super().__init__(daemon=True)
        self.times = Times()
        self.failure: str | None = None
        self._stopping = threading.Event()
        self._headers = {"Authorization": f"Bearer {account.token}"}
        self._pause, self._name, self._count = pause, f"{number}-{time.monotonic_ns()}", 0
        # Each client has its own address, so that they do not share the limit by address.
        self._connection = http.client.HTTPConnection(
            "127.0.0.1",
            port,
            timeout=_TIMEOUT_SECONDS,
            source_address=(f"127.0.1.{number + 1}", 0),
        )

    def run(self) -> None:
        """Send one request after another, each when it is due."""
        try:
            self._ask("PUT", f"/v1/files/{BUCKET}/{self._name}/read.jpg", _BODY)
            due = time.perf_counter()
            while not self._stopping.is_set():
                due += self._pause
                late = time.perf_counter() > due
                if not late:
                    self._stopping.wait(due - time.perf_counter())
                # A request that had to wait for the previous one is timed from the moment at which
                # it was due.
                begin = due if late else time.perf_counter()
                kind = self._one()
                self.times.by_kind[kind].append((time.perf_counter() - begin) * 1000)
        except (OSError, http.client.HTTPException, QuietFailed) as error:
            self.failure = f"{error!r}"
        finally:
            self._connection.close()

    def _one(self) -> str:
        self._count += 1
        turn = self._count % 10
        if turn < 5:
            self._ask("PUT", f"/v1/files/{BUCKET}/{self._name}/{self._count}.jpg", _BODY)
            return "PUT"
        if turn < 9:
            self._ask("GET", f"/v1/files/{BUCKET}/{self._name}/read.jpg")
            return "GET"
        self._ask("GET", f"/v1/files/{BUCKET}?prefix={self._name}/&limit=20")
        return "list"

    def _ask(self, method: str, path: str, body: bytes = b"") -> None:
        fields: Mapping[str, str] = (
            {**self._headers, "Content-Type": "image/jpeg"} if body else self._headers
        )
        self._connection.request(method, path, body or None, fields)
        reply = self._connection.getresponse()
        found = reply.read()
        if reply.status not in {200, 201}:
            raise QuietFailed(f"{method} was answered with {reply.status}: {found[:300]!r}")

    def stop(self) -> None:
        """Stop after the current request."""
        self._stopping.set()
        self.join()


def measured(port: int, accounts: list[Account], seconds: float, pause: float) -> Times:
    """Return the response times of quiet tenants in `seconds` seconds; raise `QuietFailed`."""
    clients = [Quiet(port, account, number, pause) for number, account in enumerate(accounts * 2)]
    for client in clients:
        client.start()
    time.sleep(seconds)
    times = Times()
    for client in clients:
        client.stop()
    for client in clients:
        if client.failure:
            raise QuietFailed(client.failure)
        times.add(client.times)
    return times
