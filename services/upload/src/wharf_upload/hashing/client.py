"""A client of the digest daemon; without an answer of the daemon the caller hashes the file."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from pathlib import Path

from wharf_upload.domain.long_work import BRIEF_BYTES

# The caller hashes smaller files itself, because that is faster than a request to the daemon.
FOLLOW_BYTES = 2 << 20
_ANSWER_SECONDS_BASE, _ANSWER_BYTES_PER_SECOND = 5.0, 100e6
# A thread that serves clients asks only for small bodies. Such a thread can hash a small body
# itself in about this time.
_BRIEF_SECONDS = 0.1


def patience_seconds(size_bytes: int) -> float:
    """Return how long a request waits for the digest of its body, in seconds."""
    return _BRIEF_SECONDS if size_bytes < BRIEF_BYTES else timeout_seconds(size_bytes)


def timeout_seconds(size_bytes: int) -> float:
    """Return the maximum time to wait for the digest of a file, in seconds."""
    return _ANSWER_SECONDS_BASE + size_bytes / _ANSWER_BYTES_PER_SECOND


class PendingDigest:
    """A question to the daemon; the caller can do other work before it reads the answer."""

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection

    def answer(self) -> bytes | None:
        """Return the SHA-256 of the file, or `None` if the caller must compute it."""
        if self._connection is None:
            return None
        with self._connection:
            try:
                return bytes.fromhex(self._connection.recv(4096).decode())
            except (OSError, ValueError):
                return None


class DigestClient:
    """A client of the digest daemon on this machine; it uses a unix socket."""

    def __init__(self, address: Path) -> None:
        self._address = address

    def ask(
        self, path: str, inode: int, size_bytes: int, patience_seconds: float | None = None
    ) -> PendingDigest:
        """Ask for the digest of a file that the daemon may have hashed while the file grew.

        For a file below `FOLLOW_BYTES`, the method does not ask, and the answer is `None`.
        """
        if size_bytes < FOLLOW_BYTES:
            return PendingDigest(None)
        question = {"name": os.path.basename(path), "inode": inode, "size": size_bytes}
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(patience_seconds or timeout_seconds(size_bytes))
            connection.connect(str(self._address))
            connection.sendall(json.dumps(question).encode())
        except OSError:
            connection.close()
            return PendingDigest(None)
        return PendingDigest(connection)

    def forget(self, name: str) -> None:
        """Tell the daemon that a file was truncated, and wait for its acknowledgment.

        Without a daemon the method does nothing.
        """
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_SECONDS_BASE)
            connection.connect(str(self._address))
            connection.sendall(json.dumps({"forget": name}).encode())
            connection.recv(16)
