"""Tests of an object store that accepts connections but sends no or incomplete responses."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from servicekit.ids import uuid7_hex
from wharf_upload.domain.bucket_place import parse_bucket_place
from wharf_upload.storage.base import BlobName, StoreError, StoreUnavailable
from wharf_upload.storage.s3.keys import KeyFile
from wharf_upload.storage.s3.silence import Silence
from wharf_upload.storage.s3.store import S3Store
from wharf_upload.storage.s3.tries import Patience
from wharf_upload.storage.timed import TimedStore

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
# Without `Connection: close` the client may reuse the connection before it sees that it was closed.
_LISTED = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 19\r\n\r\n<ListBucketResult/>"


class Talker:
    """A server that sends the response that the test sets, or none if it is `None`."""

    def __init__(self) -> None:
        self.answer: bytes | None = None
        self.requests = 0
        self.pause_seconds = 0.0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while connection.recv(1 << 16):
                self.requests += 1
                time.sleep(self.pause_seconds)
                if self.answer is not None:
                    connection.sendall(self.answer)
                    if self.answer is not _OK:
                        connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close all connections."""
        for one in (self._server, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def talker() -> Iterator[Talker]:
    """Yield the server."""
    found = Talker()
    yield found
    found.close()


@pytest.fixture
def store(talker: Talker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TimedStore:
    """Return a store at the talker, with short timeouts."""
    short = Patience(0.2, 0.0)
    for module in ("wire", "uploading"):
        monkeypatch.setattr(f"wharf_upload.storage.s3.{module}.SHORT", short)
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text("access\nsecret\n")
    place = parse_bucket_place(f"s3://bucket?endpoint=http://127.0.0.1:{talker.port}")
    return TimedStore(S3Store(place, KeyFile(str(keys)), ca="", spool_folder=tmp_path))


def put(store: TimedStore) -> None:
    store.put(BlobName("demo", uuid7_hex()), b"x")


def test_only_one_waits(store: TimedStore, talker: Talker) -> None:
    """After a request without a response, further requests fail unsent.

    Requests are sent again after the readiness check has got a response.
    """
    with pytest.raises(StoreUnavailable, match="in time"):
        put(store)
    asked = talker.requests
    with pytest.raises(StoreUnavailable, match="a moment ago"):
        put(store)
    assert talker.requests == asked
    talker.answer = _LISTED
    assert store.check() is None
    put(store)


def test_another_server(store: TimedStore, talker: Talker) -> None:
    """A server that responds 200 to everything but lists nothing is not ready."""
    talker.answer = _OK
    assert "no object store" in str(store.check())


def test_patience(store: TimedStore, talker: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that connects fast but responds slowly is used, within the timeout for responses."""
    monkeypatch.setattr("wharf_upload.storage.s3.wire.CONNECT_SECONDS", 0.05)
    monkeypatch.setattr("wharf_upload.storage.s3.uploading.SHORT", Patience(20.0, 0.0))
    talker.answer, talker.pause_seconds = _OK, 0.15
    put(store)
    put(store)


def test_silence_ends() -> None:
    """After the pause one caller may query; others are refused until the store responds."""
    now = [100.0]
    silence = Silence(lambda: now[0])
    assert not silence.lasts()
    silence.unheard()
    assert silence.lasts()
    now[0] += 3
    assert [silence.lasts(), silence.lasts()] == [False, True]
    silence.heard()
    assert not silence.lasts()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour",
        b"HTTP/1.1 2\r\n\r\n",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 418 Teapot\r\nContent-Length: 9\r\n\r\n<Code>x</",
    ],
)
@pytest.mark.parametrize("ask", [put, lambda store: store.open(BlobName("a", uuid7_hex())).read()])
def test_answers_that_are_none(
    store: TimedStore, talker: Talker, answer: bytes, ask: Callable[[TimedStore], object]
) -> None:
    """A response that is cut off, is not HTTP or has an error status is an error of the store."""
    talker.answer = answer
    with pytest.raises(Exception, match="object store"):
        ask(store)


def test_an_object_of_no_length(store: TimedStore, talker: Talker) -> None:
    """An object whose length the store does not state is not read."""
    talker.answer = b"HTTP/1.1 200 OK\r\n\r\nfour"
    with pytest.raises(StoreError, match="length of an object"):
        store.open(BlobName("a", uuid7_hex()))


def test_404_to_bytes(store: TimedStore, talker: Talker) -> None:
    """A 404 for sent bytes does not count as a missing blob, because a mover treats a missing blob
    as deleted.
    """
    talker.answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(StoreUnavailable, match="no longer exists"):
        put(store)


def test_a_connection_that_fails_late(
    store: TimedStore, talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a connection that took long to fail, the next callers fail immediately."""
    talker.close()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            put(store)
    monkeypatch.setattr("wharf_upload.storage.s3.wire._AT_ONCE_SECONDS", -1.0)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        put(store)
    with pytest.raises(StoreUnavailable, match="a moment ago"):
        put(store)
