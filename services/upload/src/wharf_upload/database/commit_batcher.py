"""Who is about to commit: a leader waits a moment for them, and one transaction does for all.

A transaction of one small file costs SQLite some seven pages, and with `full` durability two
fsyncs; that of six costs hardly more. Without this, every second group was an upload that came just
before five others.
"""

from __future__ import annotations

import threading


class CommitBatcher:
    """Threads of one process that have announced an upload and have not come with it yet."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        # Adding and taking out are one step each under Python's lock.
        self._coming: set[int] = set()
        self._lock = threading.Lock()
        self._gate: threading.Lock | None = None

    def announce(self) -> None:
        """Say that this thread comes soon; it has to call `arrived` in any case."""
        self._coming.add(threading.get_ident())

    def arrived(self) -> None:
        """Say that this thread has come, or will not."""
        self._coming.discard(threading.get_ident())
        if self._coming or self._gate is None:
            return
        with self._lock:
            gate, self._gate = self._gate, None
        if gate is not None:
            gate.release()

    def wait(self) -> None:
        """Wait until all have come, but not for long. Only the leader calls it."""
        if not self._coming:
            return
        gate = threading.Lock()
        gate.acquire()
        with self._lock:
            self._gate = gate
        # Whoever came before it saw the gate has left `_coming` already.
        if self._coming:
            gate.acquire(timeout=self._patience_seconds)
        with self._lock:
            self._gate = None
