"""A listener for notices in a thread. The live process has such a listener in its event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from queue import Empty, Queue
from types import TracebackType
from typing import Self

import uvloop

from wharf_upload.notices.listener import listen
from wharf_upload.notices.messages import Changed, Notice

_WAIT_SECONDS = 20.0


class Listener:
    """A listener that runs within a `with` block. `received` has all notices."""

    def __init__(self, place: str, receive: Callable[[Notice], None] | None = None) -> None:
        self.received: Queue[Notice] = Queue()
        self._place, self._receive = place, receive
        self._stop: Callable[[], object] = lambda: None
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._begun.wait(_WAIT_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        self._thread.join(_WAIT_SECONDS)
        assert not self._thread.is_alive()

    def next(self) -> Notice:
        """Return the next notice."""
        return self.received.get(timeout=_WAIT_SECONDS)

    def until(self, wanted: Notice) -> list[Notice]:
        """Wait for a notice and return all notices before it."""
        found = []
        while (notice := self.next()) != wanted:
            found.append(notice)
        return found

    def await_changed(self, tell: Callable[[str], None], tenant: str) -> None:
        """Call `tell` repeatedly until the notice of the tenant arrives. Drop earlier notices."""
        until = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < until:
            tell(tenant)
            try:
                while self.received.get(timeout=0.1) != Changed(tenant):
                    pass
            except Empty:
                continue
            return
        raise AssertionError(f"nothing is heard of {tenant}")

    def _run(self) -> None:
        # The event loop of the live process.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._listen())

    async def _listen(self) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        self._begun.set()
        await listen(self._place, self._heard, stop)

    def _heard(self, notice: Notice) -> None:
        if self._receive is not None:
            self._receive(notice)
        self.received.put(notice)
