"""Uploads that run while a test changes the servers, and a record of the acknowledged uploads."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

TIMEOUT_SECONDS = 90
# The sizes of a body that nginx keeps in memory, and of a spooled body.
_SIZES = (10_000, 300_000)


@dataclass(frozen=True)
class Attempt:
    """One upload and its result; status 0 means that there was no response."""

    number: int
    key: str
    digest: str
    status: int
    said: str = ""


@dataclass
class Load:
    """Threads that upload one file after another during a `with` block, on a new connection each.

    Attributes:
        attempts: all finished uploads, in the order in which they ended.
    """

    port: int
    token: str
    prefix: str
    threads: int = 3
    attempts: list[Attempt] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _ending: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._running = [threading.Thread(target=self._work) for _ in range(self.threads)]
        for thread in self._running:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ending.set()
        for thread in self._running:
            thread.join()

    @property
    def acknowledged(self) -> list[Attempt]:
        """Return the uploads that got a 201."""
        return [attempt for attempt in self.attempts if attempt.status == 201]

    @property
    def failed(self) -> list[Attempt]:
        """Return the uploads that did not get a 201."""
        return [attempt for attempt in self.attempts if attempt.status != 201]

    def mark(self) -> int:
        """Return a number that is lower than the number of each attempt that begins later."""
        return next(self._numbers)

    def lost(self) -> list[str]:
        """Return the keys of acknowledged uploads whose stored content is not the sent content."""
        return [one.key for one in self.acknowledged if self._fetched(one.key) != one.digest]

    def _work(self) -> None:
        while not self._ending.is_set():
            number = next(self._numbers)
            size = _SIZES[number % len(_SIZES)]
            content = hashlib.shake_128(f"{self.prefix}{number}".encode()).digest(size)
            key = f"{self.prefix}/{number}.bin"
            status, said = self._put(key, content)
            digest = hashlib.sha256(content).hexdigest()
            self.attempts.append(Attempt(number, key, digest, status, said))

    def _put(self, key: str, content: bytes) -> tuple[int, str]:
        connection = self._connection()
        try:
            connection.request("PUT", f"/v1/files/default/{key}", content, self._fields)
            answer = connection.getresponse()
            return answer.status, answer.read(2000).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error)
        finally:
            connection.close()

    def _fetched(self, key: str) -> str:
        connection = self._connection()
        try:
            connection.request("GET", f"/v1/files/default/{key}", headers=self._fields)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, (key, answer.status, body[:500])
            return hashlib.sha256(body).hexdigest()
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)

    @property
    def _fields(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}
