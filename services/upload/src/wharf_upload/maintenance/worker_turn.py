"""The turn among several processes on the same data: one of them does a kind of work at a time."""

from __future__ import annotations

from wharf_upload.database.contract import SharedLease, SharedLeases


class WorkerTurn:
    """The turn for the work `name`; if `is_needed` is false, it is always this process's turn."""

    def __init__(self, leases: SharedLeases, name: str, *, is_needed: bool) -> None:
        self._leases, self._name, self._is_needed = leases, name, is_needed
        self._lease: SharedLease | None = None

    def is_ours(self) -> bool:
        """Tell whether this process has the turn; raises `DatabaseUnavailable`."""
        if not self._is_needed:
            return True
        if self._lease is None or not self._lease.is_held():
            self._lease = self._leases.take(self._name, lambda: None, ask=False)
        return self._lease is not None

    def end(self) -> None:
        """Release the turn for another process."""
        if self._lease is not None:
            self._lease.release()
