"""Users with large files: at once, or resumed after their connection broke."""

from __future__ import annotations

import base64
import http.client
import random
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from urllib.parse import urlsplit

from locust import between, task

from loadtests.load.content import Content
from loadtests.load.people import Person, WrongContent, file_path
from loadtests.load.site import BUCKET

_TIMEOUT_SECONDS = 120.0
_TUS = {"Tus-Resumable": "1.0.0"}
# The newer connection ends the older; until it has, 423 says so (docs/resumable.md).
_TRIES, _PAUSE_SECONDS = 20, 0.5
# How often a connection does not break.
_STEADY = 0.4


class Refused(Exception):
    """An answer that is no success."""


class Sender(Person):
    """Moves bytes over connections of its own, piece by piece, and can break them."""

    abstract = True

    def open(self) -> http.client.HTTPConnection:
        """A new connection."""
        parts = urlsplit(self.site.api.host)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else None
        return (kind or http.client.HTTPConnection)(parts.netloc, timeout=_TIMEOUT_SECONDS)

    def transfer(
        self,
        method: str,
        path: str,
        name: str,
        headers: Mapping[str, str],
        pieces: Iterable[memoryview] = (),
        *statuses: int,
    ) -> http.client.HTTPResponse | None:
        """A measured request; `None` when it failed: by neither success nor one of `statuses`."""
        begin, error, length = time.perf_counter(), None, 0
        found = None
        try:
            with closing(self.open()) as connection:
                start(connection, method, path, {**self.bearer(), **headers})
                for piece in pieces:
                    connection.send(piece)
                reply = connection.getresponse()
                body = reply.read()
                length = len(body)
                if not (200 <= reply.status < 300 or reply.status in statuses):
                    raise Refused(f"status {reply.status}: {body[:200].decode(errors='replace')}")
                found = reply
        except (OSError, http.client.HTTPException, Refused) as broken:
            error = broken
        self.note(method, name, begin, length, error)
        return found

    def note(
        self, method: str, name: str, begin: float, length: int, error: Exception | None
    ) -> None:
        """Adds a request to locust's numbers; `begin` is a `perf_counter`."""
        self.environment.events.request.fire(
            request_type=method,
            name=name,
            response_time=(time.perf_counter() - begin) * 1000,
            response_length=length,
            exception=error,
            context={},
        )

    def verify(self, key: str, content: Content, name: str) -> None:
        """The digest that Wharf has must be that of what was sent."""
        found = self.ask("GET", file_path(key, "metadata"), "metadata")
        digest = content.sha256()
        if found is None:
            return
        if found["sha256"] != digest:
            self.site.faults.append(f"{name} {key}: stored as {found['sha256']}, sent as {digest}")
            self.note("GET", name, time.perf_counter(), 0, WrongContent("another digest"))
        else:
            self.remember(key, content, digest)


class Archive(Sender):
    """A nightly job: large files in one request, and back."""

    weight = 1
    wait_time = between(1, 4)

    @task
    def store(self) -> None:
        """One large file; the one before goes."""
        while self.mine:
            self.delete(self.mine.popleft()[0])
        content = Content(random.randrange(1 << 20), random.randint(1 << 20, self.large_bytes))
        key = self.new_key()
        fields = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(content.size),
        }
        if self.transfer("PUT", file_path(key), "PUT large", fields, content.pieces()):
            self.verify(key, content, "PUT large")
            if self.mine:
                self._fetch(key, content)

    def _fetch(self, key: str, content: Content) -> None:
        begin, error, received = time.perf_counter(), None, 0
        try:
            with closing(self.open()) as connection:
                start(connection, "GET", file_path(key), self.bearer())
                reply = connection.getresponse()
                if reply.status != 200:
                    raise Refused(f"status {reply.status}")
                for piece in content.pieces():
                    if reply.read(len(piece)) != piece:
                        wrong = f"differs after {received} bytes"
                        self.site.faults.append(f"GET large {key}: {wrong}")
                        raise WrongContent(wrong)
                    received += len(piece)
                    time.sleep(0)  # lets the other users go on
        except (OSError, http.client.HTTPException, Refused, WrongContent) as broken:
            error = broken
        self.note("GET", "GET large", begin, received, error)


class Mobile(Sender):
    """A phone on a train: tus, with connections that break anywhere."""

    weight = 2
    wait_time = between(0.5, 2)

    @task
    def resumable(self) -> None:
        """One upload, cut some times, until it is whole."""
        content = Content(random.randrange(1 << 20), random.randint(300_000, self.large_bytes // 2))
        key = self.new_key()
        address = self._create(key, content.size)
        if address is None:
            return
        offset = self._interrupted(address, content)
        for _ in range(_TRIES):
            if offset is None:
                return
            fields = _patch_fields(offset, content.size - offset)
            sent = self.transfer("PATCH", address, "tus PATCH", fields, content.pieces(offset), 409)
            if sent is None:
                return
            if sent.status != 409:
                self.verify(key, content, "tus")
                return
            # What a broken connection had under way came in after the offset was asked for.
            offset = self._offset(address)

    def _interrupted(self, address: str, content: Content) -> int | None:
        """Some requests whose connections break; the offset after them."""
        most, offset = 0, 0
        for _ in range(3):
            if random.random() < _STEADY:
                continue
            most = max(most, self._cut(address, content, offset))
            found = self._offset(address)
            if found is None:
                return None
            if not offset <= found <= most:
                self.site.faults.append(
                    f"tus {address}: offset {found}, after {offset}, with {most} bytes sent"
                )
                return None
            offset = found
        return offset

    def _create(self, key: str, size: int) -> str | None:
        metadata = ",".join(
            f"{name} {base64.b64encode(value.encode()).decode()}"
            for name, value in (("bucket", BUCKET), ("key", key))
        )
        fields = {
            **_TUS,
            "Upload-Length": str(size),
            "Upload-Metadata": metadata,
            "Content-Length": "0",
        }
        made = self.transfer("POST", "/v1/uploads", "tus POST", fields)
        return None if made is None else urlsplit(str(made.headers["Location"])).path

    def _cut(self, address: str, content: Content, offset: int) -> int:
        """Sends a part of what it announces and hangs up; how far it sent."""
        begin = time.perf_counter()
        end = random.randint(offset, content.size - 1)
        fields = _patch_fields(offset, content.size - offset)
        try:
            with closing(self.open()) as connection:
                start(connection, "PATCH", address, {**self.bearer(), **fields})
                for piece in content.pieces(offset, end):
                    connection.send(piece)
        except OSError as error:
            # Refused while it still sent: it would be told why if it looked.
            self.note("PATCH", "tus PATCH cut", begin, 0, error)
            return end
        self.note("PATCH", "tus PATCH cut", begin, 0, None)
        return end

    def _offset(self, address: str) -> int | None:
        begin = time.perf_counter()
        for _ in range(_TRIES):
            found, error = None, None
            begin = time.perf_counter()
            try:
                with closing(self.open()) as connection:
                    start(connection, "HEAD", address, {**self.bearer(), **_TUS})
                    reply = connection.getresponse()
                    reply.read()
                    if reply.status == 423:
                        time.sleep(_PAUSE_SECONDS)
                        continue
                    if reply.status != 200:
                        raise Refused(f"status {reply.status}")
                    found = int(reply.headers["Upload-Offset"])
            except (OSError, http.client.HTTPException, Refused) as broken:
                error = broken
            self.note("HEAD", "tus HEAD", begin, 0, error)
            return found
        self.note("HEAD", "tus HEAD", begin, 0, Refused(f"locked after {_TRIES} tries"))
        return None


def _patch_fields(offset: int, length: int) -> dict[str, str]:
    return {
        **_TUS,
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(length),
    }


def start(
    connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str]
) -> None:
    """Request line and header fields, as they are given."""
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
