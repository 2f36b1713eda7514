"""Finds and kills processes that an earlier run left behind.

Normally no process survives (see program.sh). But when all of Wharf's processes are killed with -9
at the same time, an orphaned nginx worker continues to serve. The standard output of a process of
Wharf is a log file of this WHARF_DATA, which identifies the process. No process changes its
standard output, and no other process has a log file of this WHARF_DATA as standard output.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

from wharf_gateway.terminal import CannotRunError

# The seconds in which an orphan usually ends without a signal, and the seconds to wait after
# SIGKILL. Only a failed disk keeps a process longer.
_PATIENCE_SECONDS, _KILL_SECONDS = 3.0, 10.0


def survivors(log_files: Iterable[str]) -> list[int]:
    """Return the ids of the processes with one of the files as standard output."""
    wanted, found = frozenset(log_files), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):  # it has ended, or belongs to another user
            if os.readlink(f"/proc/{name}/fd/1").removesuffix(" (deleted)") in wanted:
                found.append(int(name))
    return found


def end_survivors(log_files: Iterable[str], patience: float = _PATIENCE_SECONDS) -> int:
    """Wait until the survivors end, and kill them after `patience` seconds.

    Return the number of killed processes. Raise `CannotRunError` if a process survives.
    """
    files, begin, killed = tuple(log_files), time.monotonic(), set[int]()
    while left := survivors(files):
        waited = time.monotonic() - begin
        if waited > patience + _KILL_SECONDS:
            raise CannotRunError(f"processes of an earlier run cannot be killed: {left}")
        for pid in left if waited >= patience else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        time.sleep(0.02)
    return len(killed)
