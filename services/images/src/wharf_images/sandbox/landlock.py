"""The Landlock ruleset of the sandbox: it handles every right and allows none (landlock(7))."""

from __future__ import annotations

import ctypes
import os

from wharf_images.sandbox import kernel

# The number of file rights that each version knows; the rights are the bits from 0 on.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NETWORK_FROM, _SCOPES_FROM = 4, 6
# Network rights: bind and connect TCP. Scopes: abstract unix sockets and signals outside the
# sandbox.
_NETWORK_RIGHTS, _SCOPES = 0b11, 0b11


class _Ruleset(ctypes.Structure):
    """`struct landlock_ruleset_attr`."""

    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def restrict(abi: int) -> None:
    """Remove from this thread, permanently, all rights that this version of Landlock knows.

    The process needs no capability for this call, only `PR_SET_NO_NEW_PRIVS`.

    Raises:
        SandboxError: the kernel refuses the ruleset.
    """
    rules = _Ruleset((1 << _FILE_RIGHTS[min(abi, max(_FILE_RIGHTS))]) - 1, 0, 0)
    size = 8
    if abi >= _NETWORK_FROM:
        rules.handled_access_net, size = _NETWORK_RIGHTS, 16
    if abi >= _SCOPES_FROM:
        rules.scoped, size = _SCOPES, 24
    made = kernel.LIBC.syscall(
        kernel.LANDLOCK_CREATE_RULESET,
        ctypes.byref(rules),
        ctypes.c_size_t(size),
        ctypes.c_uint(0),
    )
    descriptor = kernel.checked(made, "landlock_create_ruleset")
    done = kernel.LIBC.syscall(
        kernel.LANDLOCK_RESTRICT_SELF, ctypes.c_int(descriptor), ctypes.c_uint(0)
    )
    kernel.checked(done, "landlock_restrict_self")
    os.close(descriptor)
