"""The first process of a service's container: uWSGI's parent, and owner of its sockets.

    python -m servicekit.first_process UWSGI INI SOCKET…

It opens the sockets, or gets those that the container before has left (`kept_sockets`), hands
signals on, and ends with uWSGI and its exit code. Nothing of the service is loaded here.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from servicekit.kept_sockets import Depositor, Kept

_HANDED_ON = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1}
_LOOK_SECONDS = 1.0
# uWSGI looks at each number that a descriptor may have; Docker's limit may be a thousand million.
_MOST_DESCRIPTORS = 65_536


def run(uwsgi: str, ini: str, paths: list[Path]) -> int:
    """Runs uWSGI to its end; returns the exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_HANDED_ON, signal.SIGCHLD})
    sockets = [Kept(path) for path in paths]
    depositor = Depositor(sockets)
    environment = {
        **os.environ,
        # As after a reload: it looks for its sockets among those that it inherits.
        "UWSGI_RELOADS": "0",
        "WHARF_SOCKETS_KEPT": "true",
    }
    _limit_descriptors()
    pid = os.posix_spawn(
        uwsgi, [uwsgi, "--ini", ini], environment, setsigmask=[], setsigdef=[signal.SIGPIPE]
    )
    while True:
        depositor.look()
        received = signal.sigtimedwait({*_HANDED_ON, signal.SIGCHLD}, _LOOK_SECONDS)
        if received is not None and received.si_signo in _HANDED_ON:
            os.kill(pid, received.si_signo)
        if (code := _ended(pid)) is not None:
            return code


def _ended(pid: int) -> int | None:
    """The exit code of uWSGI; a container's first process gets others' orphans to bury, too."""
    while True:
        found, status = os.waitpid(-1, os.WNOHANG)
        if found == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if found == 0:
            return None


def _limit_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft > _MOST_DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_DESCRIPTORS, hard))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2], [Path(path) for path in sys.argv[3:]]))
