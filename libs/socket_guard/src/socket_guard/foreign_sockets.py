"""Shutting down a socket of another process: pidfd_getfd(2).

The kernel allows it to the same user where that may trace the other process; with Yama's
`ptrace_scope` of 1, the default of many systems, that is an ancestor.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress

# The same on every architecture that Linux has got since 5.1.
_PIDFD_GETFD = 438
_LIBC = ctypes.CDLL(None, use_errno=True)
# struct linger: on, for no time.
_AT_ONCE = struct.pack("=ii", 1, 0)


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
        return _duplicate(process, descriptor)
    finally:
        os.close(process)


def end(pids: Iterable[int], inodes: Iterable[int], *, reset: bool = False) -> int:
    """Ends the sockets of other processes, whose owners close them; how many were found.

    Args:
        pids: processes that may have them.
        inodes: of the sockets.
        reset: no more is written either, and the close tells the peer of a reset; otherwise the
            owner reads the end of the stream and may answer.

    Raises:
        OSError: the kernel does not let us.
    """
    wanted = {f"socket:[{inode}]" for inode in inodes}
    ended = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            process = os.pidfd_open(pid)
            try:
                for descriptor in _descriptors(pid):
                    with suppress(FileNotFoundError):
                        if os.readlink(f"/proc/{pid}/fd/{descriptor}") in wanted:
                            ended += _end(process, descriptor, wanted, reset=reset)
            finally:
                os.close(process)
    return ended


def _descriptors(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
    except FileNotFoundError:
        return []


def _duplicate(process: int, descriptor: int) -> int:
    ours: int = _LIBC.syscall(_PIDFD_GETFD, process, descriptor, 0)
    if ours < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return ours


def _end(process: int, descriptor: int, wanted: set[str], *, reset: bool) -> bool:
    try:
        ours = _duplicate(process, descriptor)
    except OSError as error:
        if error.errno == errno.EBADF:  # its owner has just closed it
            return False
        raise
    # Family and type are known: Python need not ask for them.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=ours) as connection:
        # The owner may have closed it and opened another one under the same number.
        if f"socket:[{os.fstat(ours).st_ino}]" not in wanted:
            return False
        with suppress(OSError):  # it has just been closed by the peer
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            connection.shutdown(socket.SHUT_RDWR if reset else socket.SHUT_RD)
        return True
