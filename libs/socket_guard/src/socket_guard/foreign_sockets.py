"""The shutdown of sockets of other processes with pidfd_getfd(2).

The kernel allows this call for processes of the same user that this process may trace. With Yama's
`ptrace_scope` of 1, the default of many systems, only descendants of this process may be traced.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress

# The number of the system call, the same on every architecture: calls since Linux 5.1 have common
# numbers.
_PIDFD_GETFD = 438
_LIBC = ctypes.CDLL(None, use_errno=True)
# struct linger: on, with a timeout of 0, so that the close resets the connection.
_AT_ONCE = struct.pack("=ii", 1, 0)


def children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The parent's id comes after the process's name, which is in brackets and may have
                # any characters.
                if int(file.read().rpartition(b")")[2].split()[1]) == pid:
                    found.append(int(name))
    return found


def duplicate(pid: int, descriptor: int) -> int:
    """Return a copy of a descriptor of another process; raise `OSError`."""
    process = os.pidfd_open(pid)
    try:
        return _duplicate(process, descriptor)
    finally:
        os.close(process)


def end(pids: Iterable[int], inodes: Iterable[int], *, reset: bool = False) -> int:
    """Shut down sockets of other processes; return the number of sockets that were found.

    A process then closes its socket.

    Args:
        pids: the processes that may have the sockets.
        inodes: the inodes of the sockets.
        reset: also stop writing, and let the close send a reset to the peer. Otherwise the owner
            reads the end of the stream and may still respond.

    Raises:
        OSError: the kernel does not permit access to the sockets.
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
        if error.errno == errno.EBADF:  # the owner has just closed it
            return False
        raise
    # With family and type given, Python needs no system calls to find them.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=ours) as connection:
        # The owner may have closed the socket, and opened another one with the same number.
        if f"socket:[{os.fstat(ours).st_ino}]" not in wanted:
            return False
        with suppress(OSError):  # the peer has just closed it
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            connection.shutdown(socket.SHUT_RDWR if reset else socket.SHUT_RD)
        return True
