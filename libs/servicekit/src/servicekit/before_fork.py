"""The work that has to end before uWSGI's master forks.

If another thread has Python's lock (the GIL) during a fork, the child inherits the locked lock, and
no thread of the child can release it. The child then waits forever, and so do its requests.
"""

from __future__ import annotations

import threading

_SECONDS = 5.0


def join_timers() -> None:
    """Wait for the timers that the import of the application has started, at most 5 s for each.

    The package `limits` starts a timer for each storage in memory; the timer runs 10 ms later.
    """
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(_SECONDS)
