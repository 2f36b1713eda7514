"""Tells the live channel what there is to look at: never waits, never raises, may be lost.

What a request says is noted in memory; a thread of the process hands it over, at most 20 times a
second, so that a thousand uploads a second are 20 frames. While the listener is busy or Redis is
away, tenants stay noted. Whoever listens looks at the events anyway, only later.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing

from wharf_upload.notices.messages import Changed, Progress, frames
from wharf_upload.notices.transports import NotSent, Transport, transport_to

log = logging.getLogger(__name__)
PAUSE_SECONDS = 0.05
_AGAIN_SECONDS = 1.0
# The thread ends when there was nothing to do for so long.
_IDLE_SECONDS = 5.0
# More are not noted while nobody takes them.
MAX_TENANTS, MAX_UPLOADS = 10_000, 1_000
_forked = threading.Lock()


class Sender:
    """Tells one place. It opens nothing before it is first used, in each process anew."""

    def __init__(
        self, open_transport: Callable[[], Transport], pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._open, self._pause = open_transport, pause
        self._begin()

    def _begin(self) -> None:
        self._noted = threading.Condition(threading.Lock())
        self._tenants: dict[str, None] = {}
        self._uploads: dict[str, Progress] = {}
        self._thread: threading.Thread | None = None
        self._complained = False
        # The last: other threads go on from here.
        self._process = os.getpid()

    def changed(self, tenant: str) -> None:
        """Say that a tenant has new events, after their commit."""
        if self._process != os.getpid():
            self._begin_in_fork()
        if tenant in self._tenants and self._thread is not None:
            # It is sent later than now, also when the thread takes it in this moment.
            return
        with self._noted:
            if len(self._tenants) < MAX_TENANTS:
                self._tenants[tenant] = None
            self._wake()

    def progress(self, progress: Progress) -> None:
        """Say how far an upload is; what was said before and not sent yet is forgotten."""
        if self._process != os.getpid():
            self._begin_in_fork()
        with self._noted:
            if len(self._uploads) < MAX_UPLOADS:
                self._uploads[progress.upload] = progress
            self._wake()

    def _begin_in_fork(self) -> None:
        """Begin anew: a fork has neither the thread nor anything to say yet."""
        with _forked:
            if self._process != os.getpid():
                self._begin()

    def _wake(self) -> None:
        if self._thread is not None:
            self._noted.notify()
            return
        thread = threading.Thread(target=self._run, name="notices", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._complain(str(error))
        else:
            self._thread = thread

    # ---- in the thread ----

    def _run(self) -> None:
        try:
            with closing(self._open()) as transport:
                while self._has_work():
                    self._pause(self._send(transport))
        except Exception as error:  # noqa: BLE001 -- whatever it is, requests go on
            self._complain(repr(error))
            self._pause(_AGAIN_SECONDS)
            with self._noted:
                # The next notice starts another thread.
                self._thread = None

    def _has_work(self) -> bool:
        """Wait for something to say; with false the thread has to end."""
        with self._noted:
            if self._noted.wait_for(lambda: self._tenants or self._uploads, _IDLE_SECONDS):
                return True
            self._thread = None
            return False

    def _send(self, transport: Transport) -> float:
        """Hand over what is noted; return for how many seconds to pause."""
        with self._noted:
            tenants, uploads = self._tenants, self._uploads
            self._tenants, self._uploads = {}, {}
        try:
            for frame in frames([*uploads.values(), *map(Changed, tenants)]):
                transport.send(frame)
        except Exception as error:  # noqa: BLE001 -- whatever it is, requests go on
            # How far uploads are is old when it is tried again; new events stay news.
            with self._noted:
                self._tenants = {**tenants, **self._tenants}
            self._complain(str(error))
            return error.again_seconds if isinstance(error, NotSent) else _AGAIN_SECONDS
        self._complained = False
        return PAUSE_SECONDS

    def _complain(self, reason: str) -> None:
        """Log once, until it works again."""
        if reason and not self._complained:
            self._complained = True
            log.warning("notices are not sent, and the live channel is slower: %s", reason)


@functools.lru_cache(maxsize=8)
def open_sender(where: str) -> Sender:
    """Return this process's sender to a place (`Settings.notices_place`)."""
    return Sender(functools.partial(transport_to, where))
