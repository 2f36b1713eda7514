"""The digest daemon: hashes large bodies while the gateway is still spooling them.

nginx passes a body to the application only when the whole body is on disk. Hashing it then would
add more than half of the time that the reception took. So this process watches the spool folders,
reads each large file right after nginx has written to it (from the page cache), and has the digest
ready for the request. If files must be durable, this process also makes the kernel write to the
disk early, so that the fsync at the end is short.

Uploads work without the daemon: a client without an answer hashes the file itself.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from queue import PriorityQueue

from inotify_simple import INotify, flags

from servicekit.metric_buffers import MetricBuffer
from wharf_upload.hashing.client import FOLLOW_BYTES, timeout_seconds

log = logging.getLogger(__name__)

hashed_bytes = MetricBuffer()
"""Bytes that the daemon has hashed."""

# With smaller blocks the hashing would release and take the GIL so often that the streams in this
# process would slow down.
BLOCK_BYTES = 1 << 20
_THREADS = 2
_FLUSH_BYTES = 16 << 20
# The kernel merges equal events in a row into one. Without this pause each write is one event, and
# reading an event needs the GIL, which the stream server in this process needs for its streams.
_GATHER_MILLISECONDS = 10
# After this many bytes of one file, the other files get their turn.
_TURN_BYTES = 64 << 20
_SYNC_FILE_RANGE_WRITE = 2
_CLEAN_SECONDS = 300.0


class _State(Enum):
    IDLE = auto()
    QUEUED = auto()
    RUNNING = auto()
    # The daemon hashes the file, and the file has grown since its turn began.
    AGAIN = auto()


@dataclass(eq=False)
class _Followed:
    """A file that is being written; `sha256` covers its first `offset` bytes."""

    path: str
    descriptor: int
    inode: int
    sha256: hashlib._Hash = field(default_factory=hashlib.sha256)
    offset: int = 0
    flushed: int = 0
    gone: bool = False
    # A request waits for the digest.
    asked: bool = False
    state: _State = _State.IDLE


class DigestDaemon:
    """Watches the spool folders and answers questions on a unix socket."""

    def __init__(
        self,
        folders: tuple[Path, ...],
        address: Path,
        *,
        durable: bool,
        is_ours: Callable[[Path, str], bool] = lambda _folder, _name: True,
    ) -> None:
        """Create the daemon.

        A file name must be unique over all folders: nginx numbers its files, and uploads have ids.
        `is_ours` tells for a folder and a file name whether requests of this process ask for the
        digest: replicas on one machine see each other's resumable uploads grow. With `durable`, the
        daemon makes the kernel write the files to the disk early.
        """
        self._folders, self._address, self._is_ours = folders, address, is_ours
        self._files: dict[str, _Followed] = {}
        # Files for which a request waits come first; among equal files, the lower number comes
        # first.
        self._work: PriorityQueue[tuple[bool, int, _Followed]] = PriorityQueue()
        self._numbers = itertools.count()
        # Guards states and offsets; it is notified after each turn of a file.
        self._progress = threading.Condition()
        self._flush = _sync_file_range() if durable else None
        self._clean_at = time.monotonic() + _CLEAN_SECONDS

    @property
    def files(self) -> int:
        """Return how many bodies the daemon follows."""
        return len(self._files)

    def run(self) -> None:
        """Watch the folders until the process ends."""
        notify = INotify()
        watched = {
            notify.add_watch(folder, flags.CREATE | flags.MODIFY | flags.DELETE): folder
            for folder in self._folders
        }
        for target in (*[self._read_on] * _THREADS, self._serve):
            threading.Thread(target=target, daemon=True).start()
        while True:
            for event in notify.read(read_delay=_GATHER_MILLISECONDS):
                self._handle(event.mask, watched.get(event.wd), event.name)

    def _handle(self, mask: int, folder: Path | None, name: str) -> None:
        if mask & flags.Q_OVERFLOW:
            self._forget_removed()
            return
        followed = self._files.get(name)
        if mask & flags.DELETE:
            if followed is not None:
                del self._files[name]
                followed.gone = True
                self._enqueue(followed)
            return
        if folder is None or not self._is_ours(folder, name):
            return
        if followed is None:
            self._clean()
            followed = self._begin(folder / name)
        if followed is not None:
            self._enqueue(followed)

    def _clean(self) -> None:
        """Drop removed files, at most once in `_CLEAN_SECONDS`.

        On a shared file system there is no event when another machine removes a file.
        """
        if time.monotonic() >= self._clean_at:
            self._clean_at = time.monotonic() + _CLEAN_SECONDS
            self._forget_removed()

    def _forget_removed(self) -> None:
        """Drop files that were removed.

        Events may have been lost, and an open file keeps its disk space.
        """
        for name, followed in list(self._files.items()):
            if not _is_at(followed.path, followed.descriptor):
                del self._files[name]
                followed.gone = True
                self._enqueue(followed)

    def _begin(self, path: Path) -> _Followed | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        status = os.fstat(descriptor)
        if status.st_size < FOLLOW_BYTES:
            os.close(descriptor)
            return None
        followed = self._files[path.name] = _Followed(str(path), descriptor, status.st_ino)
        return followed

    def _enqueue(self, followed: _Followed) -> None:
        with self._progress:
            if followed.state is _State.IDLE:
                followed.state = _State.QUEUED
                self._queue(followed)
            elif followed.state is _State.RUNNING:
                followed.state = _State.AGAIN

    def _queue(self, followed: _Followed) -> None:
        self._work.put((not followed.asked, next(self._numbers), followed))

    def _read_on(self) -> None:
        buffer = bytearray(BLOCK_BYTES)
        while True:
            _, _, followed = self._work.get()
            with self._progress:
                if followed.state is not _State.QUEUED:
                    continue  # an urgent entry of this file was handled before
                followed.state = _State.RUNNING
            try:
                more = self._advance(followed, buffer)
            except OSError as error:
                log.warning("cannot follow a spool file: %s", error.strerror)
                followed.gone, more = True, False
            self._pause(followed, more=more)

    def _advance(self, followed: _Followed, buffer: bytearray) -> bool:
        """Hash a file for one turn; return whether the file may have more bytes.

        Only one thread at a time works on a file.
        """
        view = memoryview(buffer)
        end_of_turn = followed.offset + _TURN_BYTES
        while not followed.gone and followed.offset < end_of_turn:
            count = os.preadv(followed.descriptor, [buffer], followed.offset)
            if not count:
                return False
            followed.sha256.update(view[:count])
            followed.offset += count
            hashed_bytes.note(((), count))
            length = followed.offset - followed.flushed
            if self._flush and length >= _FLUSH_BYTES:
                self._flush(followed.descriptor, followed.flushed, length)
                followed.flushed = followed.offset
        return not followed.gone

    def _pause(self, followed: _Followed, *, more: bool) -> None:
        with self._progress:
            if followed.gone:
                if followed.descriptor >= 0:
                    os.close(followed.descriptor)
                followed.descriptor, followed.state = -1, _State.IDLE
            elif more or followed.state is _State.AGAIN:
                followed.state = _State.QUEUED
                self._queue(followed)
            else:
                followed.state = _State.IDLE
            self._progress.notify_all()

    # ---- answers to questions ----

    def _serve(self) -> None:
        with suppress(FileNotFoundError):
            self._address.unlink()
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(str(self._address))
        self._address.chmod(0o600)
        server.listen(64)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                question = json.loads(connection.recv(4096))
                if "forget" in question:
                    self._forget(question["forget"])
                    connection.sendall(b"-")
                    return
                digest = self._digest(question["name"], question["inode"], question["size"])
                connection.sendall((digest or "-").encode())
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("cannot answer a question for a digest: %s", error)

    def _forget(self, name: str) -> None:
        """Drop a file that was truncated; its next event starts a new digest at its first byte."""
        followed = self._files.pop(name, None)
        if followed is not None:
            followed.gone = True
            self._enqueue(followed)

    def _digest(self, name: str, inode: int, size: int) -> str | None:
        followed = self._files.get(name)
        if followed is None or followed.inode != inode:
            return None
        self._ask_for(followed)
        with self._progress:
            self._progress.wait_for(
                lambda: followed.offset >= size or followed.gone, timeout_seconds(size)
            )
            # While a thread is hashing, the digest may be one block behind or ahead of the offset.
            self._progress.wait_for(lambda: followed.state is _State.IDLE, timeout_seconds(0))
            if followed.offset != size or followed.state is not _State.IDLE:
                return None
            return followed.sha256.hexdigest()

    def _ask_for(self, followed: _Followed) -> None:
        """Move a file ahead of the files for which no request waits."""
        with self._progress:
            followed.asked = True
            if followed.state is _State.QUEUED:
                self._queue(followed)
        self._enqueue(followed)


def _is_at(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


def _sync_file_range() -> Callable[[int, int, int], object] | None:
    """Return Linux's sync_file_range(2), which Python lacks, or `None` if the system lacks it, too.

    The function starts to write a range to the disk, and does not wait.
    """
    function = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
    if function is None:
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return lambda descriptor, offset, length: function(
        descriptor, offset, length, _SYNC_FILE_RANGE_WRITE
    )
