"""Leases: at most one request writes to an upload, and a newer request ends the older one.

A client that reconnects must not be locked out by its old connection: the service may not know yet
that this connection is dead. Within a process, a new request asks the holder of the lease to stop.
If several replicas serve the same uploads, the database has a second lease
(`database/shared_leases.py`), and the replica that has it asks the holder in its own process to
stop. The last protection is the `flock` of the partial upload (`storage/partial_uploads.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from wharf_upload.database.contract import SharedLease, SharedLeases

_WAIT_SECONDS = 10.0
# The limit of requests that wait for one upload: a client's question for the offset, and late
# requests of its old connection, may wait at the same time.
_WAITING = 3
# The limit of requests that wait for all uploads together. Each waiting request occupies one of
# eight threads; the other threads serve uploads that are free.
_WAITING_IN_ALL = 5
# The interval at which a waiting request checks whether another replica has released the lease.
_LOOK_SECONDS = 0.1


class UploadBusy(Exception):
    """Another request has the upload and does not release it."""


class JoinedElsewhere(UploadBusy):
    """Another replica has the upload, and the caller did not want to wait."""


def shared_name(upload: str) -> str:
    """Return the name of an upload's lease in the database."""
    return f"upload:{upload}"


class Lease:
    """The right to change one upload, until `release`."""

    def __init__(self, leases: Leases, upload: str) -> None:
        self._leases, self._upload = leases, upload
        self._stop: Callable[[], None] | None = None
        self._asked = False
        self._lock = threading.Lock()
        self.shared: SharedLease | None = None

    def on_request(self, stop: Callable[[], None]) -> None:
        """Set the function that a newer request calls to get the lease.

        If a newer request has asked already, this method calls `stop` immediately.
        """
        with self._lock:
            self._stop = stop
            asked = self._asked
        if asked:
            stop()

    def ask(self) -> None:
        """Ask the holder to stop, because a newer request wants the lease."""
        with self._lock:
            stop = None if self._asked else self._stop
            self._asked = True
        if stop is not None:
            stop()

    @property
    def asked(self) -> bool:
        """Return whether a newer request wants the lease."""
        return self._asked

    @property
    def was_elsewhere(self) -> bool:
        """Return whether another process may have changed the upload since this process had it."""
        return self.shared is not None and self.shared.was_elsewhere

    def require(self) -> None:
        """Raise `UploadBusy` if another replica has taken the lease.

        This happens when the process was frozen, or disconnected from the database, for longer than
        the lease lasts.
        """
        if self.shared is not None and not self.shared.is_held():
            raise UploadBusy("another request has taken this upload over")

    def release(self) -> None:
        """Release the lease; a second call has no effect."""
        if self.shared is not None:
            self.shared.release()
        self._leases.release(self._upload, self)


class Leases:
    """The leases of this process; with `replicas`, they also exclude other replicas."""

    def __init__(self, replicas: SharedLeases | None = None) -> None:
        self._replicas = replicas
        self._held: dict[str, Lease] = {}
        self._waiting: dict[str, list[Lease]] = {}
        self._waiting_elsewhere = 0
        self._changed = threading.Condition()
        self._releases = 0

    @property
    def is_shared(self) -> bool:
        """Return whether the leases exclude other replicas."""
        return self._replicas is not None

    @property
    def releases(self) -> int:
        """Return how many leases this process has released.

        While this number is constant, no request of this process has changed an upload and ended.
        """
        return self._releases

    def holds(self, upload: str) -> bool:
        """Tell whether this process has the lease; always true if the leases are not shared."""
        return self._replicas is None or self._replicas.holds(shared_name(upload))

    def take(self, upload: str, *, patient: bool = False, queue: bool = True) -> Lease:
        """Return the lease as soon as its holder has released it; raises `UploadBusy`.

        The holder is asked to stop. If too many requests wait for one upload, the oldest of them is
        refused, so that one upload occupies few threads. If too many requests wait for any uploads,
        the new request is refused immediately. A `patient` request does not count among those that
        wait for its upload, and is never refused for a newer one. Without `queue` the method raises
        `JoinedElsewhere` instead of waiting for another replica.
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
        """Return the lease if it is free here and at all replicas, otherwise `None`; does not wait.

        A holder in this process learns of the attempt (`Lease.asked`).
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
            # A request that asked in the meantime saw this process's lease, not the other
            # replica's. So try again.

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
                # A newer request of this process takes over the wait.
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
        """Raise `UploadBusy` when too many requests wait, for any uploads."""
        holder = self._held.get(upload)
        if holder is None or len(self._waiting.get(upload, ())) == _WAITING:
            return  # the upload is free, or an older waiting request is refused instead
        if self._waiting_in_all() >= _WAITING_IN_ALL:
            holder.ask()  # so that the upload is free when the client retries
            raise UploadBusy("another request is writing to this upload")

    def release(self, upload: str, lease: Lease) -> None:
        """Release a lease."""
        with self._changed:
            if self._held.get(upload) is lease:
                del self._held[upload]
                self._releases += 1
                self._changed.notify_all()
