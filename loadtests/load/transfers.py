"""Users with large files: in one request, or by resumable uploads with broken connections."""

from __future__ import annotations

import base64
import http.client
import random
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from urllib.parse import urlsplit

from locust import between, tag, task

from loadtests.load.api import connect
from loadtests.load.content import Content
from loadtests.load.people import Person, WrongContent, file_path
from loadtests.load.site import BUCKET

_TIMEOUT_SECONDS = 120.0
_TUS = {"Tus-Resumable": "1.0.0"}
# A new request ends the older one of the same upload. Until then Wharf responds with 423
# (docs/resumable.md).
_TRIES, _PAUSE_SECONDS = 20, 0.5
# The part of connections that do not break.
_STEADY = 0.4


class Refused(Exception):
    """A response is no success."""


class Sender(Person):
    """A user that sends bytes piece by piece on its own connections, which it can break."""

    abstract = True

    def open(self) -> http.client.HTTPConnection:
        """Return a new connection."""
        return connect(self.site.host, _TIMEOUT_SECONDS)

    def transfer(
        self,
        method: str,
        path: str,
        name: str,
        headers: Mapping[str, str],
        pieces: Iterable[memoryview] = (),
        *statuses: int,
    ) -> http.client.HTTPResponse | None:
        """Send a measured request; return `None` when it failed.

        A response with a status of 2xx or of `statuses` is no failure.
        """
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
        """Report a request to locust; `begin` is a value of `perf_counter`."""
        self.environment.events.request.fire(
            request_type=method,
            name=name,
            response_time=(time.perf_counter() - begin) * 1000,
            response_length=length,
            exception=error,
            context={},
        )

    def verify(self, key: str, content: Content, name: str) -> None:
        """Compare the digest that Wharf has with that of the sent bytes; remember an equal file."""
        found = self.ask("GET", file_path(key, "metadata"), "metadata")
        digest = content.sha256()
        if found is None:
            return
        if found["sha256"] != digest:
            self.wrong("GET", name, f"{key}: stored as {found['sha256']}, sent as {digest}")
        else:
            self.remember(key, content, digest)

    def wrong(self, method: str, name: str, text: str) -> None:
        """Report wrong bytes as a fault and as a failed request."""
        self.crew.report(f"{name} {text}")
        self.note(method, name, time.perf_counter(), 0, WrongContent(text))


class Archive(Sender):
    """A nightly job that uploads large files in one request and downloads them."""

    weight = 1
    wait_time = between(1, 4)

    @tag("upload", "download", "large")
    @task
    def store(self) -> None:
        """Replace the large file by a new one, and download it."""
        while self.mine:
            self.delete(self.mine.popleft()[0])
        content = Content(random.randrange(1 << 20), random.randint(1 << 20, self.site.large_bytes))
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
                        self.crew.report(f"GET large {key}: {wrong}")
                        raise WrongContent(wrong)
                    received += len(piece)
                    time.sleep(0)  # lets the other users continue
        except (OSError, http.client.HTTPException, Refused, WrongContent) as broken:
            error = broken
        self.note("GET", "GET large", begin, received, error)


class Mobile(Sender):
    """A phone on a train, which uploads by tus over connections that break at any byte."""

    weight = 2
    wait_time = between(0.5, 2)

    @tag("upload", "resumable")
    @task
    def resumable(self) -> None:
        """Upload one file with some broken connections, and compare its digest."""
        content = Content(
            random.randrange(1 << 20), random.randint(300_000, self.site.large_bytes // 2)
        )
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
            # Bytes of a broken connection arrived after Wharf had returned the offset.
            offset = self._offset(address)

    def _interrupted(self, address: str, content: Content) -> int | None:
        """Send up to three requests whose connections break; return the offset after them.

        Return `None` if Wharf does not return an offset, or returns a wrong offset.
        """
        most, offset = 0, 0
        for _ in range(3):
            if random.random() < _STEADY:
                continue
            most = max(most, self._cut(address, content, offset))
            found = self._offset(address)
            if found is None:
                return None
            if not offset <= found <= most:
                text = f"{address}: offset {found}, after {offset}, with {most} bytes sent"
                self.wrong("HEAD", "tus HEAD", text)
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
        """Send a part of the announced bytes and disconnect; return the end of the sent bytes."""
        begin = time.perf_counter()
        end = random.randint(offset, content.size - 1)
        fields = _patch_fields(offset, content.size - offset)
        try:
            with closing(self.open()) as connection:
                start(connection, "PATCH", address, {**self.bearer(), **fields})
                for piece in content.pieces(offset, end):
                    connection.send(piece)
        except OSError as error:
            # Wharf refused the request before its end. This user does not read the response.
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
    """Send the request line and the header fields, and add only the field `Host`."""
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
