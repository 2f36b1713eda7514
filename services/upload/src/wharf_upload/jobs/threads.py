"""The engine `threads`: one pool of threads for each lane, in the process of the dispatcher."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from wharf_upload.domain.jobs import Lane, Turn

log = logging.getLogger(__name__)
Run = Callable[[Turn], None]


class ThreadEngine:
    """Runs jobs in threads; implements `engine.Engine`.

    `ended` is called after each job, so that the dispatcher need not wait to take more. A lane
    starts threads when its first jobs arrive. Errors of `run` and `ended` are logged.
    """

    def __init__(self, lanes: Iterable[Lane], run: Run, ended: Callable[[], None]) -> None:
        self._pools = {lane.name: _Pool(lane, run, ended) for lane in lanes}

    def submit(self, lane: str, turns: Sequence[Turn]) -> None:
        """Queue turns for the threads of a lane."""
        self._pools[lane].submit(turns)

    def stop(self, wait_seconds: float) -> list[Turn]:
        """Begin no more jobs, and wait for those that run, at most `wait_seconds` in all.

        Return the turns that did not begin. The process must end after this call: a handler that
        still runs then loses its lease, and its job runs again.
        """
        left = [turn for pool in self._pools.values() for turn in pool.stop()]
        for pool in self._pools.values():
            wait_seconds -= pool.join(wait_seconds)
        return left


class _Pool:
    """The threads of one lane. They are daemons, so that a handler that hangs ends with them."""

    def __init__(self, lane: Lane, run: Run, ended: Callable[[], None]) -> None:
        self._lane, self._run, self._ended = lane, run, ended
        self._waiting: deque[Turn] = deque()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle, self._stopped = 0, False

    def submit(self, turns: Sequence[Turn]) -> None:
        with self._changed:
            self._waiting += turns
            missing = min(len(self._waiting) - self._idle, self._lane.at_once - len(self._threads))
            for _ in range(missing):
                self._start()
            self._changed.notify(len(turns))

    def _start(self) -> None:
        name = f"jobs-{self._lane.name}-{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                self._idle -= 1
                if self._stopped:
                    return
                turn = self._waiting.popleft()
            self._run_logged(turn)

    def _run_logged(self, turn: Turn) -> None:
        try:
            try:
                self._run(turn)
            finally:
                self._ended()
        except BaseException:
            # The pool counts its threads and starts no other one in the place of one that ended.
            log.exception("a thread of jobs goes on", extra={"fields": {"job": turn.id}})

    def stop(self) -> list[Turn]:
        with self._changed:
            self._stopped = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        return left

    def join(self, wait_seconds: float) -> float:
        """Wait for the threads to end; return how many seconds this took."""
        begun = time.monotonic()
        for thread in self._threads:
            thread.join(max(0.0, wait_seconds - (time.monotonic() - begun)))
        return time.monotonic() - begun
