"""One writer at a time: the newer request for an upload ends the older.

A client that comes back must not be locked out by its own dead connection, which this side may
not know to be dead yet. Within this process a lease is handed over by asking its holder to stop;
between processes the part's `flock` decides (`stores/parts.py`), and the kernel ends that with the
process that holds it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

_WAIT_SECONDS = 10.0


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
            self._asked = True
            stop = self._stop
        if stop is not None:
            stop()

    def release(self) -> None:
        """Ends it; again without effect."""
        self._leases.release(self._upload, self)


class Leases:
    """The leases of this process."""

    def __init__(self) -> None:
        self._held: dict[str, Lease] = {}
        self._changed = threading.Condition()

    def take(self, upload: str) -> Lease:
        """The lease, once its holder has let go; raises `UploadBusy`."""
        lease = Lease(self, upload)
        holder = self._held.get(upload)
        if holder is not None:
            holder.ask()
        with self._changed:
            if not self._changed.wait_for(lambda: upload not in self._held, _WAIT_SECONDS):
                raise UploadBusy("another request is writing to this upload")
            self._held[upload] = lease
        return lease

    def release(self, upload: str, lease: Lease) -> None:
        """Ends a lease."""
        with self._changed:
            if self._held.get(upload) is lease:
                del self._held[upload]
                self._changed.notify_all()
