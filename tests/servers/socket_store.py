"""A store whose blobs are behind a socket (`blob_server`), slow and faulty on demand.

The store represents any store that is no folder: it cannot adopt a file by a hard link, a response
may be late or missing, and a write may have happened although its response was lost. Like every
store, this store does only I/O, and `TimedStore` translates the errors.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Self

from tests.servers import blob_server as protocol
from wharf_upload.storage.base import BlobName, Found, GatewayPlace, Made, Room
from wharf_upload.storage.errors import BlobMissing, StoreBusy, StoreError
from wharf_upload.storage.one_by_one import not_deleted, within
from wharf_upload.storage.spool_file import SpoolFile

_BLOCK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 10.0


class Answer:
    """A response whose body may still arrive. The caller closes the response when the
    body is no longer needed.
    """

    def __init__(self, connection: socket.socket, stream: IO[bytes]) -> None:
        self._connection, self._stream = connection, stream
        received = protocol.receive(stream)
        if received is None:
            raise ConnectionError("the store gave no answer")
        self.head, self.length = received
        self._left = self.length

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes of the body. Raise `OSError` when they do not arrive."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._stream.read(wanted)
        self._left -= len(data)
        if len(data) < wanted:
            raise ConnectionError("the store's answer was cut")
        return data

    def close(self) -> None:
        """Discard the rest of the body."""
        self._stream.close()
        self._connection.close()


class SocketReader:
    """The content of a blob, as it arrives."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.read = answer.read
        self.close = answer.close

    def size(self) -> int:
        """Return the size of the whole blob in bytes."""
        return self._answer.length

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class SocketWriter:
    """Content that is sent in pieces and becomes visible by one operation at the end."""

    def __init__(self, store: SocketStore, name: BlobName) -> None:
        self._store, self._name = store, name
        self._writer, self._size = str(store.ask("begin").head["writer"]), 0

    def write(self, data: bytes | memoryview) -> None:
        """Append data."""
        self._store.ask("append", bytes(data), writer=self._writer)
        self._size += len(data)

    def copy_range(self, spool: SpoolFile, offset: int, length: int) -> None:
        """Append a range of a spool file."""
        while length:
            block = spool.read_at(offset, min(length, _BLOCK_BYTES))
            if not block:
                raise StoreError("the source ended early")
            self.write(block)
            offset += len(block)
            length -= len(block)

    def size(self) -> int:
        """Return the number of bytes so far."""
        return self._size

    def sync(self) -> None:
        """Ask the server whether all data has arrived."""
        self._store.ask_and_report("sync", writer=self._writer)

    def commit(self, sha256: bytes | None = None) -> None:
        """Make the blob visible. The server compares the digest."""
        self._store.ask_and_report(
            "commit", writer=self._writer, **_named(self._name), sha256=_hex(sha256)
        )
        self._writer = ""

    def abort(self) -> None:
        """Drop the content. When the server cannot be reached, a leftover stays there."""
        if self._writer:
            with suppress(OSError, StoreError):
                self._store.ask("abort", writer=self._writer)
            self._writer = ""


class SocketAdopted:
    """A spool file that is sent only when it must become durable."""

    def __init__(self, store: SocketStore, name: BlobName, spool: SpoolFile) -> None:
        self._writer, self._spool = SocketWriter(store, name), spool
        self.abort = self._writer.abort

    def size(self) -> int:
        """Return the size of the spool file in bytes."""
        return self._spool.size

    def sync(self) -> None:
        """Send the bytes that were not sent yet."""
        sent = self._writer.size()
        self._writer.copy_range(self._spool, sent, self._spool.size - sent)

    def commit(self, sha256: bytes | None = None) -> None:
        """Send the rest and make the blob visible."""
        self.sync()
        self._writer.commit(sha256)


class SocketStore:
    """The client of the server, which uses one connection for each operation."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.on_sync: Callable[[float], None] = lambda _: None
        self.lists_by_hour = False

    def stream(self, operation: str, body: bytes = b"", **fields: object) -> Answer:
        """Return the response to an operation, with its body not read yet."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT_SECONDS)
        stream = connection.makefile("rb")
        try:
            _connect(connection, self._address)
            connection.sendall(protocol.message_of({"operation": operation, **fields}, body))
            answer = Answer(connection, stream)
            _raise_what(answer.head)
        except BaseException:
            stream.close()
            connection.close()
            raise
        return answer

    def ask(self, operation: str, body: bytes = b"", **fields: object) -> Answer:
        """Return the response to an operation, and discard the response's body."""
        answer = self.stream(operation, body, **fields)
        answer.close()
        return answer

    def ask_and_report(self, operation: str, body: bytes = b"", **fields: object) -> None:
        """Send an operation as `ask` does, and report to `on_sync` when the operation began."""
        begun = time.perf_counter()
        self.ask(operation, body, **fields)
        self.on_sync(begun)

    def create(self, name: BlobName) -> SocketWriter:
        """Return a writer of a new blob."""
        return SocketWriter(self, name)

    def adopt(self, name: BlobName, spool: SpoolFile) -> SocketAdopted:
        """Return a blob that will be a copy of the spool file."""
        return SocketAdopted(self, name, spool)

    def put(self, name: BlobName, content: bytes, sha256: bytes | None = None) -> None:
        """Send a blob and make it visible in one operation."""
        self.ask_and_report("put", content, **_named(name), sha256=_hex(sha256))

    def make_durable(self, names: list[BlobName]) -> None:
        """Ask whether all blobs exist, because an existing blob is durable."""
        if names:
            self.ask("make_durable", names=[(name.tenant, name.blob) for name in names])

    def open(self, name: BlobName) -> SocketReader:
        """Return the content as it arrives."""
        return SocketReader(self.stream("open", **_named(name)))

    def gateway_place(self, name: BlobName) -> GatewayPlace:
        """Return a path, although no gateway uses this protocol."""
        return GatewayPlace(f"{name.tenant}/{name.blob}")

    def delete(self, name: BlobName) -> None:
        """Remove a blob."""
        self.ask("delete", **_named(name))

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs, with one operation for each, and return the names of blobs that stay."""
        return not_deleted(self, names)

    def blobs(self, made: Made | None = None) -> Iterator[Found]:
        """Yield all blobs, or the blobs of the time span `made`. One response has all blobs."""
        yield from within(self._all_blobs(), made)

    def _all_blobs(self) -> Iterator[Found]:
        for tenant, blob, size, changed_at in self._list("blobs"):
            yield Found(BlobName(tenant, blob), size, changed_at)

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Yield the leftovers of writers that neither committed nor aborted."""
        yield from self._list("leftovers")

    def _list(self, operation: str) -> Any:
        answer = self.stream(operation)
        try:
            return json.loads(answer.read())
        finally:
            answer.close()

    def remove_leftover(self, name: str) -> None:
        """Remove a leftover of a writer."""
        self.ask("abort", writer=name)

    def room(self) -> Room:
        """Return the space for new content."""
        return Room(int(self.ask("room").head["bytes"]))

    def check(self) -> str | None:
        """Return `None` when the server responds. Otherwise raise `StoreBusy` or `OSError`."""
        self.ask("check")
        return None


def _connect(connection: socket.socket, address: str) -> None:
    try:
        connection.connect(address)
    except (ConnectionError, FileNotFoundError, TimeoutError):
        raise StoreBusy("the store does not answer") from None


def _raise_what(head: dict[str, Any]) -> None:
    if head.get("missing"):
        raise BlobMissing("no such blob")
    if "errno" in head:
        raise OSError(head["errno"], "the store refused")


def _named(name: BlobName) -> dict[str, Any]:
    return {"tenant": name.tenant, "blob": name.blob}


def _hex(sha256: bytes | None) -> str | None:
    return None if sha256 is None else sha256.hex()
