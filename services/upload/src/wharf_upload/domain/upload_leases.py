"""One writer at a time: the newer request for an upload ends the older.

A client that comes back must not be locked out by its own dead connection, which this side may
not know to be dead yet. Within this process a lease is handed over by asking its holder to stop;
between processes the part's `flock` decides (`stores/parts.py`), and the kernel ends that with the
process that holds it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_WAIT_SECONDS = 10.0
# A client that asks for the offset, and what is late of its old connection, wait side by side.
_WAITING = 3
# Who waits holds a thread, of which there are eight: the others are for uploads that are free.
_WAITING_IN_ALL = 5


class UploadBusy(Exception):
    """Another request has the upload and does not let go."""


class Lease:
    """The right to change one upload; `release` it."""

    def __init__(self, leases: Leases, upload: str) -> None:
        self._leases, self._upload = leases, upload
        self._stop: Callable[[], None] | None = None
        self._asked = False
        self._lock = threading.Lock()

    def on_request(self, stop: Callable[[], None]) -> None:
        """What to call when a newer request wants the lease; at once, if one does already."""
        with self._lock:
            self._stop = stop
            asked = self._asked
        if asked:
            stop()

    def ask(self) -> None:
        """A newer request wants it."""
        with self._lock:
            stop = None if self._asked else self._stop
            self._asked = True
        if stop is not None:
            stop()

    def release(self) -> None:
        """Ends it; again without effect."""
        self._leases.release(self._upload, self)


class Leases:
    """The leases of this process."""

    def __init__(self) -> None:
        self._held: dict[str, Lease] = {}
        self._waiting: dict[str, list[Lease]] = {}
        self._changed = threading.Condition()

    def take(self, upload: str, *, patient: bool = False) -> Lease:
        """The lease, once its holder has let go; raises `UploadBusy`.

        Where many wait the first of them give way, so that one upload's requests never hold more
        than a few threads; nor do those of many uploads: then it is refused at once.
        `patient` ones neither give way nor drive others away.
        """
        lease = Lease(self, upload)
        deadline = time.monotonic() + _WAIT_SECONDS
        with self._changed:
            if not patient:
                self._refuse_crowd(upload)
            waiting = self._waiting.setdefault(upload, [])
            if not patient:
                waiting.append(lease)
                if len(waiting) > _WAITING:
                    del waiting[0]
                    self._changed.notify_all()
            try:
                while (holder := self._held.get(upload)) is not None:
                    holder.ask()
                    left = deadline - time.monotonic()
                    if left <= 0 or not (patient or lease in waiting):
                        raise UploadBusy("another request is writing to this upload")
                    self._changed.wait(left)
                self._held[upload] = lease
            finally:
                if lease in waiting:
                    waiting.remove(lease)
                if not waiting and self._waiting.get(upload) is waiting:
                    del self._waiting[upload]
        return lease

    def _refuse_crowd(self, upload: str) -> None:
        """Raises `UploadBusy` when too many wait already, for whichever uploads."""
        holder = self._held.get(upload)
        if holder is None or len(self._waiting.get(upload, ())) == _WAITING:
            return  # nothing to wait for, or another gives way
        if sum(map(len, self._waiting.values())) >= _WAITING_IN_ALL:
            holder.ask()  # gone when the client tries again
            raise UploadBusy("another request is writing to this upload")

    def release(self, upload: str, lease: Lease) -> None:
        """Ends a lease."""
        with self._changed:
            if self._held.get(upload) is lease:
                del self._held[upload]
                self._changed.notify_all()
