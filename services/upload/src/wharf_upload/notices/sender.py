"""The sender of notices to the live channel; its methods never block and never raise errors.

A request stores its notice in memory. A background thread sends the stored notices at most 20 times
a second, so a thousand uploads a second cause 20 sends. While the listener is busy or Redis is
unavailable, the tenants stay in memory. A notice may be lost: the live channel also reads new
events without notices, only later.
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
# The thread ends after this idle time.
_IDLE_SECONDS = 5.0
# The limits of notices in memory while they cannot be sent; further notices are dropped.
MAX_TENANTS, MAX_UPLOADS = 10_000, 1_000
_forked = threading.Lock()


class Sender:
    """Sends notices to one place. Each process opens its own transport at the first use."""

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
        # Set this last: it tells other threads that the sender is ready.
        self._process = os.getpid()

    def changed(self, tenant: str) -> None:
        """Report that a tenant has new events; call this method only after the commit."""
        if self._process != os.getpid():
            self._begin_in_fork()
        if tenant in self._tenants and self._thread is not None:
            # The stored notice is sent after this commit, even if the thread takes the notice right
            # now.
            return
        with self._noted:
            if len(self._tenants) < MAX_TENANTS:
                self._tenants[tenant] = None
            self._wake()

    def progress(self, progress: Progress) -> None:
        """Report an upload's progress; it replaces earlier progress that was not sent yet."""
        if self._process != os.getpid():
            self._begin_in_fork()
        with self._noted:
            if progress.upload in self._uploads or len(self._uploads) < MAX_UPLOADS:
                self._uploads[progress.upload] = progress
            self._wake()

    def _begin_in_fork(self) -> None:
        """Reset the sender after a fork: the new process has no thread and no notices."""
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
        except Exception as error:  # noqa: BLE001 -- no failure may disturb the requests
            self._complain(repr(error))
            self._pause(_AGAIN_SECONDS)
            with self._noted:
                # The next notice starts another thread.
                self._thread = None

    def _has_work(self) -> bool:
        """Wait for notices and return true; return false if the thread must end."""
        with self._noted:
            if self._noted.wait_for(lambda: self._tenants or self._uploads, _IDLE_SECONDS):
                return True
            self._thread = None
            return False

    def _send(self, transport: Transport) -> float:
        """Send the stored notices; return the pause until the next call, in seconds."""
        with self._noted:
            tenants, uploads = self._tenants, self._uploads
            self._tenants, self._uploads = {}, {}
        try:
            for frame in frames([*uploads.values(), *map(Changed, tenants)]):
                transport.send(frame)
        except Exception as error:  # noqa: BLE001 -- no failure may disturb the requests
            # At the next try the progress would be out of date, so keep only the tenants.
            with self._noted:
                self._tenants = {**tenants, **self._tenants}
            self._complain(str(error))
            return error.again_seconds if isinstance(error, NotSent) else _AGAIN_SECONDS
        self._complained = False
        return PAUSE_SECONDS

    def _complain(self, reason: str) -> None:
        """Log the first failure; log again only after a successful send."""
        if reason and not self._complained:
            self._complained = True
            log.warning("notices are not sent, and the live channel is slower: %s", reason)


@functools.lru_cache(maxsize=8)
def open_sender(where: str) -> Sender:
    """Return this process's sender to a place (`Settings.notices_place`)."""
    return Sender(functools.partial(transport_to, where))
