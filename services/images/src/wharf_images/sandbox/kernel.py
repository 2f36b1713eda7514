"""The kernel calls for a sandbox, through the C library."""

from __future__ import annotations

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)
# The numbers are the same on all architectures.
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_LANDLOCK_CREATE_RULESET_VERSION = 1


class SandboxError(OSError):
    """The kernel refuses a part of the sandbox."""


def checked(result: int, what: str) -> int:
    """Return the result of a call; raise `SandboxError` if it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise SandboxError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, *arguments: int | ctypes.c_void_p) -> None:
    """Set an option of this process (prctl(2)); raise `SandboxError` if the kernel refuses."""
    given = [one if isinstance(one, ctypes.c_void_p) else ctypes.c_ulong(one) for one in arguments]
    rest = [ctypes.c_ulong(0)] * (4 - len(given))
    checked(LIBC.prctl(option, *given, *rest), f"prctl {option}")


def landlock_abi() -> int:
    """Return the version of Landlock that the kernel has, 0 without Landlock."""
    found = LIBC.syscall(
        LANDLOCK_CREATE_RULESET,
        None,
        ctypes.c_size_t(0),
        ctypes.c_uint(_LANDLOCK_CREATE_RULESET_VERSION),
    )
    return max(0, int(found))


def has_seccomp() -> bool:
    """Tell whether the kernel supports seccomp filters; the test call installs nothing."""
    failed = LIBC.prctl(
        PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.c_void_p(None), 0, 0
    )
    # EFAULT: the kernel tried to read the filter, so it supports the mode.
    return bool(failed < 0 and ctypes.get_errno() == 14)


def machine() -> str:
    """Return the kernel's name of the processor, for instance `x86_64` or `aarch64`."""
    return os.uname().machine
