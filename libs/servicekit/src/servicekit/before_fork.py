"""What has to be over before uWSGI's master forks.

A process that is forked while another thread has Python's lock inherits the lock, and nobody is
there to give it back: the process waits for it for ever, and with it all that its sockets take.
"""

from __future__ import annotations

import threading

_SECONDS = 5.0


def join_timers() -> None:
    """Wait until timers that were started while the application was loaded have run.

    `limits` starts one for each storage in memory, which runs for a moment 10 ms later.
    """
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(_SECONDS)
