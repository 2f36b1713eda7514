"""Clients of all kinds that continue during a restart and report all faults.

A fault is an unexpected response, a refused connection, or a connection that ends before its
response. Two cases are no faults. The server may close an idle connection while the next request is
sent on it, before a byte of the response: the client must repeat such a request (RFC 9112 section
9.3.1), and `repeated` counts it. A stream of a resumable upload may end without a response, which
`hung_up` counts, if the upload then continues from an offset that the server knows.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Self

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.multipart_body import CONTENT_TYPE, file_part, multipart_body
from tests.servers.wharf.tus_client import OCTETS, TUS, Tus

# A file that is read must be larger than the buffers of two sockets. Bodies that are sent may be
# smaller.
READ_BYTES, SLOW_BYTES, STREAM_BYTES, SMALL_BYTES = 20_000_000, 5_000_000, 3_000_000, 10_000
FILES = "/v1/files/default"
_READ_BLOCK, _SENT_BLOCK = 250_000, 62_500
# A client of small requests rests this long after each one, to leave the cores to restarts.
_REST_SECONDS = 0.05
_TIMEOUT_SECONDS = 120


@dataclass
class MixedLoad:
    """One client of one tenant (`api`) with all kinds of requests.

    A large body takes `slow_seconds`, and a stream takes `stream_seconds`.
    """

    api: ApiClient
    slow_seconds: float = 2.0
    stream_seconds: float = 4.0
    faults: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    stored: dict[str, str] = field(default_factory=dict)
    hung_up: int = 0
    repeated: int = 0

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._source = random.Random(7).randbytes(READ_BYTES)
        self._digest = hashlib.sha256(self._source).hexdigest()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Start the load and return when each kind of request has succeeded once."""
        answer = self.api.put("to-read", self._source)
        assert answer.status == 201, answer.body
        self.stored["to-read"] = self._digest
        kinds: list[Callable[[int], None]] = [
            self._small, self._small, self._kept_alive, self._large, self._large, self._form,
            self._read, self._read_matching, self._resumable, self._resumable,
        ]  # fmt: skip
        for number, kind in enumerate(kinds):
            thread = threading.Thread(target=self._go_on, args=(kind, number), daemon=True)
            thread.start()
            self._threads.append(thread)
        self.wait_for(1)
        return self

    def __exit__(self, *_: object) -> None:
        """Let all threads finish their last request."""
        self._over.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_SECONDS)
            assert not thread.is_alive(), "a client waits for ever"

    def wait_for(self, more: int) -> None:
        """Wait until each kind of request has succeeded `more` times more. Fail after a fault."""
        kinds = ("small", "kept alive", "large", "form", "read", "matching", "resumable")
        wanted = {kind: self.done[kind] + more for kind in kinds}
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while any(self.done[kind] < number for kind, number in wanted.items()):
            assert not self.faults, self.faults[:5]
            assert time.monotonic() < deadline, f"the load does not get through: {self.done}"
            time.sleep(0.02)

    def _go_on(self, kind: Callable[[int], None], number: int) -> None:
        turn = 0
        while not self._over.is_set():
            turn += 1
            try:
                kind(number * 1_000_000 + turn)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.faults.append(f"{kind.__name__}: {error!r}")
                return

    # ---- one request of each kind ----

    def _small(self, number: int) -> None:
        body = self._body(number, SMALL_BYTES)
        self._store(f"small-{number}", body, 201, self._request("PUT", f"small-{number}", body)[0])
        self.done["small"] += 1
        time.sleep(_REST_SECONDS)

    def _kept_alive(self, number: int) -> None:
        """Send several requests on one connection."""
        with closing(self._connection()) as connection:
            for turn in range(20):
                key, body = f"kept-{number}-{turn}", self._body(number + turn, 3000)
                try:
                    status, _ = self._send(connection, "PUT", f"{FILES}/{key}", body)
                except (ConnectionError, http.client.RemoteDisconnected):
                    if turn == 0:
                        raise
                    # For the client, the connection was closed while it was idle. A PUT may be
                    # repeated.
                    self.repeated += 1
                    connection.close()
                    status, _ = self._send(connection, "PUT", f"{FILES}/{key}", body)
                self._store(key, body, 201, status)
                self.done["kept alive"] += 1
                time.sleep(_REST_SECONDS)

    def _large(self, number: int) -> None:
        body = self._body(number, SLOW_BYTES)
        key = f"large-{number % 2_000_003}"
        self._store(key, body, 201, self._request("PUT", key, body, seconds=self.slow_seconds)[0])
        self.done["large"] += 1

    def _form(self, number: int) -> None:
        names = [f"form-{number}-{part}" for part in range(2)]
        bodies = [self._body(number + part, 400_000) for part in range(2)]
        form = multipart_body(*(file_part(*pair) for pair in zip(names, bodies, strict=True)))
        status, _ = self._request("POST", "", form, {"Content-Type": CONTENT_TYPE})
        for name, body in zip(names, bodies, strict=True):
            self._store(name, body, 201, status)
        self.done["form"] += 1
        time.sleep(_REST_SECONDS)

    def _read(self, _: int) -> None:
        self._read_with({})
        self.done["read"] += 1

    def _read_matching(self, _: int) -> None:
        """Read with a condition, because nginx serves such requests in another way."""
        self._read_with({"If-Match": "*"})
        self.done["matching"] += 1

    def _resumable(self, number: int) -> None:
        tus, body = Tus(self.api), self._body(number, STREAM_BYTES)
        key = f"resumable-{number}"
        address = tus.created(len(body), filename=key)
        offset = 0
        while offset < len(body):
            try:
                status, headers = self._patch(address, offset, body[offset:])
            except (ConnectionError, http.client.RemoteDisconnected):
                self.hung_up += 1
                before, offset = offset, tus.offset(address)
                assert before <= offset <= len(body), (before, offset)
                continue
            assert status == 204, f"PATCH: {status}"
            offset = int(headers["Upload-Offset"])
        self.stored[key] = hashlib.sha256(body).hexdigest()
        self.done["resumable"] += 1

    # ---- helpers ----

    def _read_with(self, headers: dict[str, str]) -> None:
        with closing(self._connection()) as connection:
            connection.request("GET", f"{FILES}/to-read", headers=self._headers(headers))
            answer = connection.getresponse()
            assert answer.status == 200, f"GET: {answer.status} {answer.read(300)!r}"
            found = hashlib.sha256()
            while block := answer.read(_READ_BLOCK):
                found.update(block)
                time.sleep(self.slow_seconds * _READ_BLOCK / READ_BYTES)
            assert found.hexdigest() == self._digest, "what was read is not what was stored"

    def _patch(self, address: str, offset: int, body: bytes) -> tuple[int, http.client.HTTPMessage]:
        fields = {**TUS, "Upload-Offset": str(offset), "Content-Type": OCTETS}
        with closing(self._connection()) as connection:
            return self._send(
                connection, "PATCH", address, body, fields, seconds=self.stream_seconds
            )

    def _request(
        self,
        method: str,
        key: str,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        seconds: float = 0.0,
    ) -> tuple[int, http.client.HTTPMessage]:
        """Send one request on a separate connection."""
        with closing(self._connection()) as connection:
            return self._send(
                connection, method, f"{FILES}/{key}".rstrip("/"), body, headers, seconds=seconds
            )

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        seconds: float = 0.0,
    ) -> tuple[int, http.client.HTTPMessage]:
        fields = self._headers({"Content-Length": str(len(body)), **(headers or {})})
        connection.request(method, target, self._blocks(body, seconds) if seconds else body, fields)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status < 500, f"{method} {target}: {answer.status} {text[:300]!r}"
        return answer.status, answer.headers

    def _blocks(self, body: bytes, seconds: float) -> Iterator[bytes]:
        """Yield the body over `seconds`. Each block takes its share of this time."""
        for begin in range(0, len(body), _SENT_BLOCK):
            block = body[begin : begin + _SENT_BLOCK]
            yield block
            time.sleep(seconds * len(block) / len(body))

    def _connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.api.port, timeout=_TIMEOUT_SECONDS
        )
        connection.connect()
        return connection

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api.token}", **more}

    def _body(self, number: int, size: int) -> bytes:
        begin = number % 4096
        return self._source[begin : begin + size]

    def _store(self, key: str, body: bytes, wanted: int, status: int) -> None:
        assert status == wanted, f"{key}: {status}"
        self.stored[key] = hashlib.sha256(body).hexdigest()


def lost(api: ApiClient, stored: dict[str, str]) -> list[str]:
    """Return the keys of acknowledged files that are missing or have another
    digest in their record.
    """
    found: dict[str, str] = {}
    target = f"{FILES}?limit=1000"
    while target:
        answer = api.get(target)
        assert answer.status == 200, answer.body
        page = answer.json()
        found.update({file["key"]: file["sha256"] for file in page["files"]})
        cursor = page["next_cursor"]
        target = f"{FILES}?limit=1000&cursor={cursor}" if cursor else ""
    return [key for key, digest in stored.items() if found.get(key) != digest]
