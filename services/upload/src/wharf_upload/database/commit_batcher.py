"""Lets the leader of a group commit wait briefly for uploads that are about to commit.

For a transaction of one small file, SQLite writes about seven pages, and calls fsync twice if the
durability is `full`. A transaction of six files costs hardly more. Without the wait, every second
group was a single upload that arrived just before five others.
"""

from __future__ import annotations

import threading


class CommitBatcher:
    """Makes the leader of a group commit wait for announced uploads.

    An instance stores which threads of the process have announced an upload and have not yet joined
    a group.
    """

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        # Python's global lock makes each addition and each removal atomic.
        self._coming: set[int] = set()
        self._lock = threading.Lock()
        self._gate: threading.Lock | None = None

    def announce(self) -> None:
        """Announce that this thread will soon commit.

        The thread must call `arrived` afterwards, even when it does not commit.
        """
        self._coming.add(threading.get_ident())

    def arrived(self) -> None:
        """Withdraw this thread's announcement: it has joined a group, or will not commit."""
        self._coming.discard(threading.get_ident())
        if self._coming or self._gate is None:
            return
        with self._lock:
            gate, self._gate = self._gate, None
        if gate is not None:
            gate.release()

    def wait(self) -> None:
        """Wait until all announced threads have arrived, for at most `patience_seconds`.

        Only the leader calls this method.
        """
        if not self._coming:
            return
        gate = threading.Lock()
        gate.acquire()
        with self._lock:
            self._gate = gate
        # A thread that arrived before `_gate` was set did not release the gate, but has already
        # left `_coming`.
        if self._coming:
            gate.acquire(timeout=self._patience_seconds)
        with self._lock:
            self._gate = None
