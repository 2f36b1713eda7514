"""The first process of a service's container: the parent of uWSGI, and the owner of its sockets.

    python -m servicekit.first_process UWSGI INI SOCKET…

The process opens the sockets, or takes the copies that the previous container left
(`kept_sockets`). The process forwards signals to uWSGI, and ends with uWSGI's exit code when uWSGI
ends. The process imports no code of the service.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

from kept_sockets import Kept

HANDED_ON = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1}
_POLL_SECONDS = 0.5
# When uWSGI reports that it accepts connections, its processes still create threads. If uWSGI gets
# TERM at that time, the processes wait for each other until uWSGI kills them.
_SETTLE_SECONDS = 1.0
# After this time TERM is sent even if the start is not complete.
_START_SECONDS = 20.0
# uWSGI checks every possible descriptor number, and Docker's limit may be 1,000,000,000.
_MOST_DESCRIPTORS = 65_536


class Uwsgi:
    """The process uWSGI. While uWSGI starts, its master or its workers ignore TERM."""

    def __init__(self, command: list[str]) -> None:
        ready = f"{tempfile.gettempdir()}/wharf-{os.getpid()}.ready"
        # Two hooks in uWSGI's options create these files: when uWSGI accepts connections, and when
        # it handles TERM.
        self._marks = (Path(ready), Path(f"{ready}.term"))
        for mark in self._marks:
            mark.unlink(missing_ok=True)
        # With these variables uWSGI behaves as after a reload: it uses the inherited sockets.
        kept = {"UWSGI_RELOADS": "0", "WHARF_SOCKETS_KEPT": "true", "WHARF_READY_FILE": ready}
        self._pid = os.posix_spawn(
            command[0], command, os.environ | kept, setsigmask=[], setsigdef=[signal.SIGPIPE]
        )
        self._hears_by = time.monotonic() + _START_SECONDS
        self._to_end = False

    def send(self, number: int) -> None:
        """Forward a signal to uWSGI; for TERM, `poll` sends it."""
        if number == signal.SIGTERM:
            self._to_end = True
        else:
            os.kill(self._pid, number)

    def poll(self) -> None:
        """Send TERM if uWSGI has to end and can handle TERM; a repeated TERM has no effect."""
        made = [mark.stat().st_mtime for mark in self._marks if mark.exists()]
        started = len(made) == len(self._marks) and max(made) < time.time() - _SETTLE_SECONDS
        if self._to_end and (started or time.monotonic() > self._hears_by):
            os.kill(self._pid, signal.SIGTERM)

    def exit_code(self) -> int | None:
        """Return uWSGI's exit code, or `None` while it runs.

        Also reap other children: the first process of a container becomes the parent of orphans.
        """
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == self._pid:
                code = os.waitstatus_to_exitcode(ended[1])
                return code if code >= 0 else 128 - code
        return None


def run(uwsgi: str, ini: str, paths: list[str]) -> int:
    """Run uWSGI until it ends; return its exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*HANDED_ON, signal.SIGCHLD})
    sockets = [Kept(path) for path in paths]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft > _MOST_DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_DESCRIPTORS, hard))
    child = Uwsgi([uwsgi, "--ini", ini])
    while (code := child.exit_code()) is None:
        for one in sockets:
            one.leave_copies()
        received = signal.sigtimedwait({*HANDED_ON, signal.SIGCHLD}, _POLL_SECONDS)
        if received is not None and received.si_signo in HANDED_ON:
            child.send(received.si_signo)
        child.poll()
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
