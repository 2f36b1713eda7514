"""Locks on files that another process holds: waiting for them, and their release
when the holder dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servicekit import file_lock

_HOLDER = """
import sys
from pathlib import Path
from servicekit import file_lock
with file_lock.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start another process that holds the lock, and yield this process."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open the lock file and yield its descriptor."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    """The kernel releases the lock of a process that was killed."""
    path = tmp_path / "lock"
    with holder(path) as child, opened(path) as descriptor:
        assert not file_lock.take(descriptor)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert file_lock.take(descriptor)


def test_waiting_ends_in_time(tmp_path: Path) -> None:
    """A caller waits at most for the given time for a lock that another process holds."""
    path = tmp_path / "lock"
    with holder(path), opened(path) as descriptor:
        begun = time.monotonic()
        assert not file_lock.take(descriptor, 0.1)
        assert 0.1 <= time.monotonic() - begun < 2
