"""The confinement of a process.

It closes descriptors, drops capabilities, applies Landlock, sets limits and installs the seccomp
filter, in this order.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
from contextlib import suppress

from wharf_images.sandbox import kernel, landlock, seccomp

# The two descriptors that the process keeps; all others are closed.
BLOB, RESULT = 3, 4
_FIRST_FREE = RESULT + 1
_HIGHEST = 65536

ADDRESS_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 10
# A picture with a longest side of 1,024 pixels has about 100 KiB.
FILE_BYTES = 1024 * 1024
_LIMITS: tuple[tuple[int, int, int], ...] = (
    (resource.RLIMIT_AS, ADDRESS_BYTES, ADDRESS_BYTES),
    # At the soft limit SIGXCPU ends the process, at the hard limit SIGKILL.
    (resource.RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 1),
    (resource.RLIMIT_FSIZE, FILE_BYTES, FILE_BYTES),
    (resource.RLIMIT_NPROC, 0, 0),
    # Open descriptors stay open; the process cannot open others.
    (resource.RLIMIT_NOFILE, 0, 0),
    (resource.RLIMIT_CORE, 0, 0),
)
# `_LINUX_CAPABILITY_VERSION_3`.
_CAPABILITIES_VERSION = 0x20080522


def keep_only(blob: int, result: int) -> None:
    """Make these two descriptors `BLOB` and `RESULT`, and close every other one."""
    # First duplicate both descriptors above `RESULT`: each may have the number that the other must
    # get.
    above = [fcntl.fcntl(one, fcntl.F_DUPFD, _FIRST_FREE) for one in (blob, result)]
    for one, number in zip(above, (BLOB, RESULT), strict=True):
        os.dup2(one, number)
    os.closerange(0, BLOB)
    os.closerange(_FIRST_FREE, _HIGHEST)


def confine(landlock_abi: int, parent: int) -> None:
    """Confine this process: it can only compute, read `BLOB` and write `RESULT`.

    Args:
        landlock_abi: the version of Landlock that the kernel has; 0 leaves Landlock out.
        parent: the id of the parent process; this process ends when its parent ends.

    Raises:
        SandboxError: the kernel refuses a part of the sandbox; the process must end.
    """
    # If the machine runs out of memory, the kernel kills this process before any other.
    with suppress(OSError):
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(score, b"1000")
        os.close(score)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    _drop_capabilities()
    if landlock_abi:
        landlock.restrict(landlock_abi)
    for limit, soft, hard in _LIMITS:
        resource.setrlimit(limit, _within(limit, soft, hard))
    seccomp.install(os.getpid())


def _within(limit: int, soft: int, hard: int) -> tuple[int, int]:
    """Return the limits, at most the current hard limit: raising it needs a capability."""
    _, most = resource.getrlimit(limit)
    if most == resource.RLIM_INFINITY:
        return soft, hard
    return min(soft, most), min(hard, most)


def _drop_capabilities() -> None:
    """Drop all capabilities; a process that does not run as root has none."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    kernel.checked(kernel.LIBC.capset(header, (ctypes.c_uint32 * 6)()), "capset")
