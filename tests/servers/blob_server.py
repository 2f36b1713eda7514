"""A server that stores blobs behind a unix socket, for `socket_store`: a separate process.

One connection is one operation. A message consists of the lengths of its head and its body (32 bits
each), the head as JSON, and the body. Run the server as a script: `blob_server.py SOCKET`.

A test can order one of these faults: `full`, `busy` and `broken` respond with an error. `cut` ends
the connection without performing the operation. `lost` performs the operation and ends the
connection without a response. `short` performs the operation, sends half of the response's body,
and ends the connection.
"""

from __future__ import annotations

import errno
import hashlib
import json
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

LENGTHS = struct.Struct(">II")
CAPACITY = 1 << 30
_ERRORS = {"full": errno.ENOSPC, "busy": errno.EMFILE, "broken": errno.EIO}

Head = dict[str, Any]


@dataclass
class _State:
    """All state of the server."""

    capacity: int = CAPACITY
    # By tenant and blob: the content, and the time at which it was stored.
    blobs: dict[tuple[str, str], tuple[bytes, float]] = field(default_factory=dict)
    # By number of the writer: the bytes that it has sent so far, and the time at which it began.
    staged: dict[str, tuple[bytearray, float]] = field(default_factory=dict)
    # By operation: the fault, and how often it still occurs.
    faults: dict[str, tuple[str, int]] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    writers: int = 0

    def used(self) -> int:
        """Return the number of bytes of all blobs and unfinished blobs."""
        return sum(len(one) for one, _ in self.blobs.values()) + sum(
            len(one) for one, _ in self.staged.values()
        )


class BlobServer(socketserver.ThreadingUnixStreamServer):
    """A server that keeps its blobs in memory. Tests use the operations `control` and `reset`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: str) -> None:
        super().__init__(address, _Connection)
        self._lock, self._state = threading.Lock(), _State()

    def fault(self, operation: str) -> str | None:
        """Wait for the delay of the operation and return the fault that must happen now."""
        time.sleep(self._state.delays.get(operation, 0))
        with self._lock:
            fault, times = self._state.faults.get(operation, ("", 0))
            if times:
                self._state.faults[operation] = (fault, times - 1)
        return fault if times else None

    def perform(self, head: Head, body: bytes) -> tuple[Head, bytes]:
        """Perform the requested operation and return the head and body of the response."""
        with self._lock:
            method: Callable[[Head, bytes], tuple[Head, bytes] | None]
            method = getattr(self, f"_{head['operation']}")
            return method(head, body) or ({}, b"")

    def _control(self, head: Head, _: bytes) -> None:
        if head["fault"] is not None:
            self._state.faults[head["of"]] = (head["fault"], head["times"])
        if head["seconds"] is not None:
            self._state.delays[head["of"]] = head["seconds"]

    def _reset(self, head: Head, _: bytes) -> None:
        self._state = _State(capacity=head["capacity"])

    def _put(self, head: Head, body: bytes) -> None:
        self._require_room(len(body))
        self._show(head, body)

    def _show(self, head: Head, content: bytes) -> None:
        if head["sha256"] not in {None, hashlib.sha256(content).hexdigest()}:
            raise OSError(errno.EBADMSG, "wrong digest")
        name = head["tenant"], head["blob"]
        if name in self._state.blobs:
            raise OSError(errno.EEXIST, "the name is taken")
        self._state.blobs[name] = content, time.time()

    def _require_room(self, length: int) -> None:
        if self._state.used() + length > self._state.capacity:
            raise OSError(errno.ENOSPC, "full")

    def _begin(self, _head: Head, _: bytes) -> tuple[Head, bytes]:
        self._state.writers += 1
        writer = str(self._state.writers)
        self._state.staged[writer] = bytearray(), time.time()
        return {"writer": writer}, b""

    def _append(self, head: Head, body: bytes) -> None:
        self._require_room(len(body))
        self._state.staged[head["writer"]][0].extend(body)

    def _sync(self, head: Head, _: bytes) -> None:
        self._state.staged[head["writer"]]

    def _commit(self, head: Head, _: bytes) -> None:
        self._show(head, bytes(self._state.staged[head["writer"]][0]))
        del self._state.staged[head["writer"]]

    def _abort(self, head: Head, _: bytes) -> None:
        self._state.staged.pop(head["writer"], None)

    def _make_durable(self, head: Head, _: bytes) -> None:
        for tenant, blob in head["names"]:
            self._state.blobs[tenant, blob]

    def _open(self, head: Head, _: bytes) -> tuple[Head, bytes]:
        content, _when = self._state.blobs[head["tenant"], head["blob"]]
        return {}, content

    def _delete(self, head: Head, _: bytes) -> None:
        self._state.blobs.pop((head["tenant"], head["blob"]), None)

    def _blobs(self, _head: Head, _: bytes) -> tuple[Head, bytes]:
        found = [
            (*name, len(content), changed_at)
            for name, (content, changed_at) in self._state.blobs.items()
        ]
        return {}, json.dumps(found).encode()

    def _leftovers(self, _head: Head, _: bytes) -> tuple[Head, bytes]:
        found = [(name, changed_at) for name, (_, changed_at) in self._state.staged.items()]
        return {}, json.dumps(found).encode()

    def _room(self, _head: Head, _: bytes) -> tuple[Head, bytes]:
        return {"bytes": self._state.capacity - self._state.used()}, b""

    def _check(self, _head: Head, _: bytes) -> None:
        """Do nothing, because a server that responds works."""


class _Connection(socketserver.StreamRequestHandler):
    server: BlobServer

    def handle(self) -> None:
        message = receive(self.rfile)
        if message is None:
            return
        head, length = message
        body = self.rfile.read(length)
        fault = self.server.fault(head["operation"])
        if fault == "cut" or len(body) < length:
            return
        try:
            if fault in _ERRORS:
                raise OSError(_ERRORS[fault], fault)
            answer, content = self.server.perform(head, body)
        except KeyError:
            answer, content = {"missing": True}, b""
        except OSError as error:
            answer, content = {"errno": error.errno}, b""
        if fault == "lost":
            return
        data = message_of(answer, content)
        try:
            self.wfile.write(data[: len(data) - len(content) // 2] if fault == "short" else data)
        except BrokenPipeError:
            return


def message_of(head: Head, body: bytes = b"") -> bytes:
    """Return a message that can be sent."""
    text = json.dumps(head).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body


class Readable(Protocol):
    """An object from which bytes can be read."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, as a binary file does."""


def receive(stream: Readable) -> tuple[Head, int] | None:
    """Return the head of a message and the length of its body, which follows in the stream.

    Return `None` if the stream ends before the head is complete.
    """
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    size, length = LENGTHS.unpack(lengths)
    text = stream.read(size)
    return (json.loads(text), length) if len(text) == size else None


if __name__ == "__main__":
    with BlobServer(sys.argv[1]) as server:
        print("ready", flush=True)  # noqa: T201 -- the process that started this one waits for it
        server.serve_forever()
