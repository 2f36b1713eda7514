"""Shutting down a socket of another process: pidfd_getfd(2).

The kernel allows it to the same user where that may trace the other process; with Yama's
`ptrace_scope` of 1, the default of many systems, that is an ancestor.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterable
from contextlib import suppress

# The same on every architecture that Linux has got since 5.1.
_PIDFD_GETFD = 438


def children(pid: int) -> list[int]:
    """Ids of a process's children."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The name before it stands in brackets, and may hold anything.
                if int(file.read().rpartition(b")")[2].split()[1]) == pid:
                    found.append(int(name))
    return found


def duplicate(pid: int, descriptor: int) -> int:
    """A descriptor of ours for what another process has open; raises OSError."""
    process = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        ours: int = libc.syscall(_PIDFD_GETFD, process, descriptor, 0)
        if ours < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return ours
    finally:
        os.close(process)


def end_reading(pids: Iterable[int], inodes: Iterable[int]) -> int:
    """Lets the owners of sockets read the end of the stream; how many were found.

    Raises:
        OSError: the kernel does not let us.
    """
    wanted = {f"socket:[{inode}]" for inode in inodes}
    ended = 0
    for pid in pids:
        for descriptor in _descriptors(pid):
            with suppress(FileNotFoundError):
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") in wanted:
                    ended += _end_reading(pid, descriptor, wanted)
    return ended


def _descriptors(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
    except FileNotFoundError:
        return []


def _end_reading(pid: int, descriptor: int, wanted: set[str]) -> bool:
    with socket.socket(fileno=duplicate(pid, descriptor)) as connection:
        # The owner may have closed it and opened another one under the same number.
        if f"socket:[{os.fstat(connection.fileno()).st_ino}]" not in wanted:
            return False
        with suppress(OSError):  # it has just been closed by the peer
            connection.shutdown(socket.SHUT_RD)
        return True
