"""One writer at a time: the newer request for an upload ends the older.

A client that comes back must not be locked out by its own dead connection, which this side may
not know to be dead yet. Within this process a lease is handed over by asking its holder to stop.
Where several replicas serve the same uploads, there is one in the database besides
(`database/shared_leases.py`), and its holder is asked in the same way. Behind both stands the
part's `flock` (`storage/partial_uploads.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from wharf_upload.database.contract import SharedLease, SharedLeases

_WAIT_SECONDS = 10.0
# A client that asks for the offset, and what is late of its old connection, wait side by side.
_WAITING = 3
# Who waits holds a thread, of which there are eight: the others are for uploads that are free.
_WAITING_IN_ALL = 5
# How often who waits for another replica looks whether it has let go.
_LOOK_SECONDS = 0.1


class UploadBusy(Exception):
    """Another request has the upload and does not let go."""


class JoinedElsewhere(UploadBusy):
    """Another replica has it; who asked did not want to wait."""


def shared_name(upload: str) -> str:
    """What an upload's lease is called among all leases."""
    return f"upload:{upload}"


class Lease:
    """The right to change one upload; `release` it."""

    def __init__(self, leases: Leases, upload: str) -> None:
        self._leases, self._upload = leases, upload
        self._stop: Callable[[], None] | None = None
        self._asked = False
        self._lock = threading.Lock()
        self.shared: SharedLease | None = None

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

    @property
    def asked(self) -> bool:
        """Whether a newer request wants it."""
        return self._asked

    @property
    def was_elsewhere(self) -> bool:
        """Whether another process may have changed the upload since this one had it."""
        return self.shared is not None and self.shared.was_elsewhere

    def require(self) -> None:
        """Raises `UploadBusy` when another replica has taken it: this one was frozen, or cut off
        from the database, for longer than a lease lasts.
        """
        if self.shared is not None and not self.shared.is_held():
            raise UploadBusy("another request has taken this upload over")

    def release(self) -> None:
        """Ends it; again without effect."""
        if self.shared is not None:
            self.shared.release()
        self._leases.release(self._upload, self)


class Leases:
    """The leases of this process, and with `replicas` of all of them."""

    def __init__(self, replicas: SharedLeases | None = None) -> None:
        self._replicas = replicas
        self._held: dict[str, Lease] = {}
        self._waiting: dict[str, list[Lease]] = {}
        self._waiting_elsewhere = 0
        self._changed = threading.Condition()
        self._releases = 0

    @property
    def is_shared(self) -> bool:
        """Whether they hold over all replicas."""
        return self._replicas is not None

    @property
    def releases(self) -> int:
        """How many leases this process has released: while that stays, no upload has changed."""
        return self._releases

    def holds(self, upload: str) -> bool:
        """Whether this process has the upload, or no other one ever does."""
        return self._replicas is None or self._replicas.holds(shared_name(upload))

    def take(self, upload: str, *, patient: bool = False, queue: bool = True) -> Lease:
        """The lease, once its holder has let go; raises `UploadBusy`.

        Where many wait the first of them give way, so that one upload's requests never hold more
        than a few threads; nor do those of many uploads: then it is refused at once.
        `patient` ones neither give way nor drive others away. Without `queue` nobody waits for
        another replica: raises `JoinedElsewhere`.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        lease = self._take_here(upload, deadline, patient=patient)
        try:
            if self._replicas is not None:
                name = shared_name(upload)
                lease.shared = self._replicas.take(name, lease.ask, ask=queue)
                if lease.shared is None and not queue:
                    raise JoinedElsewhere("another replica has this upload")
                if lease.shared is None:
                    self._await_others(self._replicas, lease, name, deadline, patient=patient)
        except BaseException:
            lease.release()
            raise
        return lease

    def take_free(self, upload: str) -> Lease | None:
        """The lease, if nobody has it, here or elsewhere; `None` without waiting.

        A holder in this process learns that somebody asked (`Lease.asked`).
        """
        while True:
            lease = self._take_free_here(upload)
            if lease is None or self._replicas is None:
                return lease
            try:
                lease.shared = self._replicas.take(shared_name(upload), lease.ask, ask=False)
            finally:
                if lease.shared is None:
                    lease.release()
            if lease.shared is not None:
                return lease
            if not lease.asked:
                return None
            # Who asked meanwhile met this lease, and not the one of the other replica.

    def _take_free_here(self, upload: str) -> Lease | None:
        with self._changed:
            holder = self._held.get(upload)
            if holder is not None:
                holder.ask()
                return None
            lease = self._held[upload] = Lease(self, upload)
            return lease

    def _await_others(
        self, replicas: SharedLeases, lease: Lease, name: str, deadline: float, *, patient: bool
    ) -> None:
        with self._changed:
            if not patient and self._waiting_in_all() >= _WAITING_IN_ALL:
                raise UploadBusy("another request is writing to this upload")
            self._waiting_elsewhere += 1
        try:
            while lease.shared is None:
                # A newer request of this process waits in its place.
                if (lease.asked and not patient) or time.monotonic() > deadline:
                    raise UploadBusy("another request is writing to this upload")
                time.sleep(_LOOK_SECONDS)
                lease.shared = replicas.take(name, lease.ask)
        finally:
            with self._changed:
                self._waiting_elsewhere -= 1

    def _waiting_in_all(self) -> int:
        return sum(map(len, self._waiting.values())) + self._waiting_elsewhere

    def _take_here(self, upload: str, deadline: float, *, patient: bool) -> Lease:
        lease = Lease(self, upload)
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
        if self._waiting_in_all() >= _WAITING_IN_ALL:
            holder.ask()  # gone when the client tries again
            raise UploadBusy("another request is writing to this upload")

    def release(self, upload: str, lease: Lease) -> None:
        """Ends a lease."""
        with self._changed:
            if self._held.get(upload) is lease:
                del self._held[upload]
                self._releases += 1
                self._changed.notify_all()
