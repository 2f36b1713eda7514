"""The move of bytes from sockets into files inside the kernel, with splice(2)."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress

from wharf_upload.streaming.connection import Stream

_PIPE_BYTES = 1 << 20
_SPLICE_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class Pipe:
    """The pipe that all streams use, one after the other."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        # The kernel's limit for one call; the default of 64 KiB needs more calls.
        with suppress(OSError):
            fcntl.fcntl(self._write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self.moved_bytes = 0

    def move(self, source: socket.socket, stream: Stream, most: int) -> int:
        """Move at most `most` bytes to the stream's file; return how many, 0 after the last byte.

        Raises `BlockingIOError` when no bytes are there, and another `OSError` when the file fails.
        """
        try:
            count = os.splice(
                source.fileno(), self._write_end, min(most, _PIPE_BYTES), flags=_SPLICE_FLAGS
            )
        except ConnectionError:
            return 0
        left = count
        while left:
            moved = os.splice(
                self._read_end, stream.descriptor, left, offset_dst=stream.offset + stream.received
            )
            left -= moved
            stream.received += moved
            self.moved_bytes += moved
        return count

    def empty(self) -> None:
        """Discard the bytes that a file did not take; opening a new pipe instead could fail."""
        with suppress(BlockingIOError):
            while os.read(self._read_end, _PIPE_BYTES):
                pass

    def close(self) -> None:
        """Close both ends."""
        os.close(self._read_end)
        os.close(self._write_end)
