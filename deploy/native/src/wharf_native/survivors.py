"""Finding processes of an earlier run that outlived it.

Normally there are none (see spawning.py). But when somebody kills all of Wharf's processes with
-9 at once, an orphaned nginx worker goes on serving. Such a process is known by its standard
output, which is one of this WHARF_DATA's log files: unlike an environment or a title, no child
can or does change it, and no process of anyone else has it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable

from wharf_gateway.terminal import CannotRunError

# A child whose supervisor was just killed is on its way out by itself.
_PATIENCE_SECONDS = 3.0
# After SIGKILL only a disk that does not answer keeps a process.
_KILL_SECONDS = 10.0


def survivors(log_files: Iterable[str]) -> list[int]:
    """Ids of the processes whose standard output is one of the files."""
    wanted = frozenset(log_files)
    own = os.getpid()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == own:
            continue
        try:
            output = os.readlink(f"/proc/{name}/fd/1")
        except OSError:
            continue  # gone meanwhile, or another user's
        if output.removesuffix(" (deleted)") in wanted:
            found.append(int(name))
    return found


def end_survivors(log_files: Iterable[str], patience: float = _PATIENCE_SECONDS) -> int:
    """Ends them and returns how many had to be killed.

    Raises:
        CannotRunError: one survives even that.
    """
    files = tuple(log_files)
    deadline = time.monotonic() + patience
    left = survivors(files)
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = survivors(files)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + _KILL_SECONDS
    while stuck := survivors(files):
        if time.monotonic() > deadline:
            raise CannotRunError(f"processes of an earlier run cannot be ended: {stuck}")
        time.sleep(0.02)
    return len(left)
