"""One supervised process: its start, its end, and how it is asked to stop."""

from __future__ import annotations

import os
import signal
import time

from wharf_native import logfiles
from wharf_native.program import Program
from wharf_native.spawning import spawn

CRASH_LIMIT = 5
CRASH_WINDOW_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0


class Child:
    """A program and the process that runs it, if one does."""

    def __init__(self, program: Program, log_file: str) -> None:
        self.program = program
        self.name = program.name
        self.log_file = log_file
        self.log_start = logfiles.size(log_file)
        self.due: float | None = None
        self._pid = 0
        self._crashes: list[float] = []

    @property
    def running(self) -> bool:
        return self._pid != 0

    @property
    def pid(self) -> int:
        """The process's id; 0 when none runs."""
        return self._pid

    def parted(self) -> Child:
        """The process as a child of its own; this one is free to start the next."""
        other = Child(self.program, self.log_file)
        self.hand_to(other)
        return other

    def hand_to(self, other: Child) -> None:
        """Makes the process the other's, which has none."""
        other._pid, self._pid = self._pid, 0

    def start(self) -> None:
        """Starts the process."""
        self.due = None
        self.log_start = logfiles.size(self.log_file)
        self._pid = spawn(self.program, self.log_file)

    def send(self, number: signal.Signals) -> None:
        """Signals the process itself; it knows best what to do with its children."""
        if self._pid:
            os.kill(self._pid, number)

    def kill(self) -> None:
        """Ends the process and everything it started, without ceremony."""
        if self._pid:
            _kill_group(self._pid)

    def ended(self) -> str | None:
        """How the process ended, in words; None while it runs or when there is none.

        What it started and left behind is killed: an nginx worker without a master would keep
        the port. That happens before the process is reaped, while its group id is still its own.
        """
        if not self._pid:
            return None
        if os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        _kill_group(self._pid)
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return f"was ended by signal {-code}"
        return f"ended with exit code {code}"

    def crashed(self) -> bool:
        """Plans a restart after a pause that grows; False when there were too many."""
        now = time.monotonic()
        recent = [moment for moment in self._crashes if now - moment < CRASH_WINDOW_SECONDS]
        self._crashes = [*recent, now]
        if len(self._crashes) >= CRASH_LIMIT:
            return False
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** len(recent), _LONGEST_PAUSE_SECONDS)
        self.due = now + pause
        return True


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        # Forked a moment ago and not yet leader of its own group.
        os.kill(pid, signal.SIGKILL)
