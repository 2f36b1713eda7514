"""Finds processes of an earlier run that outlived it.

Normally there are none (see program.sh). But when all of Wharf's processes are killed with -9 at
once, an orphaned nginx worker goes on serving. It is known by its standard output, which is one of
this WHARF_DATA's log files: no process changes that, and no process of anyone else has it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

from wharf_gateway.terminal import CannotRunError

# Who lost its parent a moment ago ends by itself; after SIGKILL only a dead disk keeps a process.
_PATIENCE_SECONDS, _KILL_SECONDS = 3.0, 10.0


def survivors(log_files: Iterable[str]) -> list[int]:
    """Ids of the processes whose standard output is one of the files."""
    wanted, found = frozenset(log_files), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):  # gone meanwhile, or another user's
            if os.readlink(f"/proc/{name}/fd/1").removesuffix(" (deleted)") in wanted:
                found.append(int(name))
    return found


def end_survivors(log_files: Iterable[str], patience: float = _PATIENCE_SECONDS) -> int:
    """Ends them and returns how many had to be killed; raises `CannotRunError` if one survives."""
    files, begin, killed = tuple(log_files), time.monotonic(), set[int]()
    while left := survivors(files):
        waited = time.monotonic() - begin
        if waited > patience + _KILL_SECONDS:
            raise CannotRunError(f"processes of an earlier run cannot be ended: {left}")
        for pid in left if waited >= patience else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        time.sleep(0.02)
    return len(killed)
