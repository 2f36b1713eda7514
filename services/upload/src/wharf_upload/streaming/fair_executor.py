"""A pool of threads in which tenants take turns."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import NamedTuple

from servicekit.metric_buffers import MetricBuffer

log = logging.getLogger(__name__)

waits = MetricBuffer()
"""The time that long work has waited for its turn, in seconds."""


class _Task(NamedTuple):
    run: Callable[[], None]
    since: float


class FairExecutor:
    """Runs work in a limited number of threads; waiting work occupies no thread.

    Tenants take turns, one piece of work at a time, so a tenant with much waiting work does not
    delay the others. One tenant uses at most half of the threads, but at least one, so that another
    tenant finds a free thread.
    """

    def __init__(self, threads: int, name: str, waits: MetricBuffer | None = None) -> None:
        """Create the pool without threads; `waits` gets the waiting time of each piece of work."""
        self._most, self._name, self._waits = threads, name, waits
        self._share = max(1, threads // 2)
        self._changed = threading.Condition()
        # The tenant with the next turn comes first.
        self._waiting: OrderedDict[str, deque[_Task]] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """Return how many pieces of work wait."""
        with self._changed:
            return self._count_waiting()

    @property
    def running(self) -> int:
        """Return how many pieces of work are running."""
        with self._changed:
            return self._running.total()

    def submit(self, tenant: str, run: Callable[[], None]) -> None:
        """Queue work for the tenant's turn."""
        with self._changed:
            self._waiting.setdefault(tenant, deque()).append(_Task(run, time.perf_counter()))
            if self._count_waiting() > self._idle and len(self._threads) < self._most:
                thread = threading.Thread(
                    target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True
                )
                self._threads.append(thread)
                thread.start()
            self._changed.notify()

    def shutdown(self) -> None:
        """Wait until all submitted work is done, then end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _count_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _work(self) -> None:
        while (found := self._take()) is not None:
            tenant, task = found
            if self._waits is not None:
                self._waits.note(((), time.perf_counter() - task.since))
            try:
                task.run()
            except Exception:
                log.exception("a piece of work failed")
            finally:
                with self._changed:
                    self._running[tenant] -= 1
                    if not self._running[tenant]:
                        del self._running[tenant]
                    # Work of this tenant may have waited because the tenant used its share of the
                    # threads.
                    self._changed.notify()

    def _take(self) -> tuple[str, _Task] | None:
        """Wait for work and return it; `None` after `shutdown` when no work is left."""
        with self._changed:
            while (found := self._next()) is None:
                if self._closed and not self._waiting:
                    self._changed.notify_all()
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return found

    def _next(self) -> tuple[str, _Task] | None:
        for tenant, tasks in self._waiting.items():
            if self._running[tenant] < self._share:
                task = tasks.popleft()
                self._waiting.move_to_end(tenant)
                if not tasks:
                    del self._waiting[tenant]
                self._running[tenant] += 1
                return tenant, task
        return None
