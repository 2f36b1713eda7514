"""The first process of a service's container: uWSGI's parent, and owner of its sockets.

    python -m servicekit.first_process UWSGI INI SOCKET…

It opens the sockets, or takes those that the container before has left (`kept_sockets`), hands
signals on, and ends with uWSGI and its exit code. Nothing of the service is loaded here.
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
# After uWSGI says that it accepts, its processes still make their threads: asked to end in the
# middle of that, they wait for one another until their mercy is over.
_SETTLE_SECONDS = 1.0
# So long a start may take before TERM is no longer kept back.
_START_SECONDS = 20.0
# uWSGI looks at each number that a descriptor may have; Docker's limit may be a thousand million.
_MOST_DESCRIPTORS = 65_536


class Uwsgi:
    """uWSGI. While it starts, it does not hear TERM, or its workers do not."""

    def __init__(self, command: list[str]) -> None:
        ready = f"{tempfile.gettempdir()}/wharf-{os.getpid()}.ready"
        # Two hooks in its options make these: it accepts connections, and it hears TERM.
        self._marks = (Path(ready), Path(f"{ready}.term"))
        for mark in self._marks:
            mark.unlink(missing_ok=True)
        # As after a reload: it looks for its sockets among those that it inherits.
        kept = {"UWSGI_RELOADS": "0", "WHARF_SOCKETS_KEPT": "true", "WHARF_READY_FILE": ready}
        self._pid = os.posix_spawn(
            command[0], command, os.environ | kept, setsigmask=[], setsigdef=[signal.SIGPIPE]
        )
        self._hears_by = time.monotonic() + _START_SECONDS
        self._to_end = False

    def send(self, number: int) -> None:
        """Hand a signal on; TERM is sent by `poll`."""
        if number == signal.SIGTERM:
            self._to_end = True
        else:
            os.kill(self._pid, number)

    def poll(self) -> None:
        """Ask it to end, if it is to end and can hear; again and again, which changes nothing."""
        made = [mark.stat().st_mtime for mark in self._marks if mark.exists()]
        started = len(made) == len(self._marks) and max(made) < time.time() - _SETTLE_SECONDS
        if self._to_end and (started or time.monotonic() > self._hears_by):
            os.kill(self._pid, signal.SIGTERM)

    def exit_code(self) -> int | None:
        """Return its code once it has ended. This process gets others' orphans to bury, too."""
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == self._pid:
                code = os.waitstatus_to_exitcode(ended[1])
                return code if code >= 0 else 128 - code
        return None


def run(uwsgi: str, ini: str, paths: list[str]) -> int:
    """Run uWSGI to its end; return the exit code."""
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
