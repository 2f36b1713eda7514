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
import tempfile
import time
from pathlib import Path

from servicekit.kept_sockets import FdStoreClient, Kept

HANDED_ON = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1}
_POLL_SECONDS = 0.5
# After uWSGI says that it accepts, its processes still make their threads: asked to end in the
# middle of that, they wait for one another until their mercy is over.
_SETTLE_SECONDS = 1.0
# So long a start may take before TERM is no longer kept back.
_START_SECONDS = 20.0
# uWSGI looks at each number that a descriptor may have; Docker's limit may be a thousand million.
_MOST_DESCRIPTORS = 65_536


class Child:
    """uWSGI.

    Attributes:
        pid: its id.
    """

    def __init__(self, command: list[str]) -> None:
        folder = Path(tempfile.gettempdir())
        self._ready = folder / f"wharf-{os.getpid()}.ready"
        # Two hooks of uWSGI's, in its options: it accepts connections, and it hears TERM.
        self._marks = (self._ready, self._ready.with_name(f"{self._ready.name}.term"))
        for mark in self._marks:
            mark.unlink(missing_ok=True)
        environment = {
            **os.environ,
            # As after a reload: it looks for its sockets among those that it inherits.
            "UWSGI_RELOADS": "0",
            "WHARF_SOCKETS_KEPT": "true",
            "WHARF_READY_FILE": str(self._ready),
        }
        self.pid = os.posix_spawn(
            command[0], command, environment, setsigmask=[], setsigdef=[signal.SIGPIPE]
        )
        self._asked_at: float | None = None
        self._heard_at: float | None = None

    def send(self, number: int) -> None:
        """Hands a signal on."""
        if number == signal.SIGTERM:
            self._asked_at = self._asked_at or time.monotonic()
        else:
            os.kill(self.pid, number)

    def poll(self) -> None:
        """Asks it to end, if it is to end.

        While it starts, uWSGI does not hear TERM, or its workers do not. Then it is asked when it
        has started; and again, which changes nothing for one that has heard it.
        """
        now = time.monotonic()
        if self._heard_at is None and all(mark.exists() for mark in self._marks):
            self._heard_at = now + _SETTLE_SECONDS
        if self._asked_at is None:
            return
        late = now > self._asked_at + _START_SECONDS
        if late or (self._heard_at is not None and now > self._heard_at):
            os.kill(self.pid, signal.SIGTERM)


def run(uwsgi: str, ini: str, paths: list[Path]) -> int:
    """Runs uWSGI to its end; returns the exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*HANDED_ON, signal.SIGCHLD})
    store = FdStoreClient([Kept(path) for path in paths])
    _limit_descriptors()
    child = Child([uwsgi, "--ini", ini])
    while True:
        store.poll()
        received = signal.sigtimedwait({*HANDED_ON, signal.SIGCHLD}, _POLL_SECONDS)
        if received is not None and received.si_signo in HANDED_ON:
            child.send(received.si_signo)
        if (code := _ended(child.pid)) is not None:
            return code
        child.poll()


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
