"""Confines the calling process: descriptors, rights, Landlock, limits, seccomp, in this order."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
from contextlib import suppress

from wharf_images.sandbox import kernel, landlock, seccomp

# What the process has of the world; all else is closed.
BLOB, RESULT = 3, 4
_FIRST_FREE = RESULT + 1
_HIGHEST = 65536

ADDRESS_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 10
# A picture of 1,024 pixels has some 100 KiB.
FILE_BYTES = 1024 * 1024
_LIMITS: tuple[tuple[int, int, int], ...] = (
    (resource.RLIMIT_AS, ADDRESS_BYTES, ADDRESS_BYTES),
    # At the first SIGXCPU ends the process, at the second SIGKILL.
    (resource.RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 1),
    (resource.RLIMIT_FSIZE, FILE_BYTES, FILE_BYTES),
    (resource.RLIMIT_NPROC, 0, 0),
    # Those that are open stay so; there will be no others.
    (resource.RLIMIT_NOFILE, 0, 0),
    (resource.RLIMIT_CORE, 0, 0),
)
# `_LINUX_CAPABILITY_VERSION_3`.
_CAPABILITIES_VERSION = 0x20080522


def keep_only(blob: int, result: int) -> None:
    """Make these two descriptors `BLOB` and `RESULT`, and close every other one."""
    # Beyond both numbers first: one may be in the other's place.
    above = [fcntl.fcntl(one, fcntl.F_DUPFD, _FIRST_FREE) for one in (blob, result)]
    for one, number in zip(above, (BLOB, RESULT), strict=True):
        os.dup2(one, number)
    os.closerange(0, BLOB)
    os.closerange(_FIRST_FREE, _HIGHEST)


def confine(landlock_abi: int, parent: int) -> None:
    """Take everything from this process but computing, reading `BLOB` and writing `RESULT`.

    Args:
        landlock_abi: the version of Landlock that the kernel has; 0 leaves it out.
        parent: ends with this process, and the other way round.

    Raises:
        SandboxError: the kernel refuses a part; the process must not go on.
    """
    # Where memory is short on the machine, the kernel ends this process before any other.
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
    """Return the limits, no higher than they are: raising one needs a right."""
    _, most = resource.getrlimit(limit)
    if most == resource.RLIM_INFINITY:
        return soft, hard
    return min(soft, most), min(hard, most)


def _drop_capabilities() -> None:
    """Give up what root could do; for others there is nothing to give up."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    kernel.checked(kernel.LIBC.capset(header, (ctypes.c_uint32 * 6)()), "capset")
