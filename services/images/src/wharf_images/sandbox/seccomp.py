"""The seccomp filter: the lists of system calls that a picture's process may use.

A call that is in no list ends the process (SIGSYS), because a decoder never makes such a call.
Libraries also make calls that may fail, for instance to search for fonts, configuration files and
the number of processors. The filter lets these calls fail with an error.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterator
from functools import cache

from wharf_images.sandbox import kernel

# The numbers of each call, by its name, on x86_64 and aarch64; None if the processor has no such
# call.
_ALLOWED: dict[str, tuple[int, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "readv": (19, 65),
    "writev": (20, 66),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "getpid": (39, 172),
    "exit": (60, 93),
    "gettimeofday": (96, 169),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "sched_getaffinity": (204, 123),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
}
# The calls of this list fail before the kernel reads the path, so the process cannot find out which
# files exist.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "open": (2, None),
    "stat": (4, None),
    "lstat": (6, None),
    "ioctl": (16, 29),
    "access": (21, None),
    "uname": (63, 160),
    "fcntl": (72, 25),
    "getcwd": (79, 17),
    "readlink": (89, None),
    "sysinfo": (99, 179),
    "openat": (257, 56),
    "newfstatat": (262, 79),
    "readlinkat": (267, 78),
    "faccessat": (269, 48),
    "prlimit64": (302, 261),
    "statx": (332, 291),
    "faccessat2": (439, 439),
}
_MMAP, _MPROTECT, _FUTEX, _TGKILL = (9, 222), (10, 226), (202, 98), (234, 131)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
# On x86_64 the numbers from here on belong to x32, a second set of the same calls.
_X32 = 0x40000000

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_AT_LEAST, _IF_BITS = 0x15, 0x35, 0x45
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_PROT_EXEC = 4
# The allowed operations: wait and wake, with and without a bitset. Operations with priority
# inheritance had security holes.
_FUTEX_OPERATIONS, _FUTEX_MASK = (0, 1, 9, 10), 0x7F

_Instruction = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


# A placeholder in the compiled program for the process id; no real process id is as high.
_SOME_PID = 0x7FFFFFFE


@cache
def compiled(machine: str) -> bytes:
    """Return the compiled filter, with a placeholder for the process id.

    The zygote calls this before it forks, so its children share the result.

    Raises:
        SandboxError: the processor is not known.
    """
    if machine not in _MACHINES:
        raise kernel.SandboxError(errno.ENOSYS, f"no list of system calls for {machine}")
    return b"".join(struct.pack("<HBBI", *one) for one in instructions(machine, _SOME_PID))


def install(pid: int) -> None:
    """Restrict this thread permanently to the calls of the lists; `pid` is this process's id.

    Raises:
        SandboxError: the kernel refuses the filter.
    """
    anybody, ours = (number.to_bytes(4, "little") for number in (_SOME_PID, pid))
    code = compiled(kernel.machine()).replace(anybody, ours)
    program = _Program(len(code) // 8, code)
    kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.c_void_p(ctypes.addressof(program)))


def is_known(machine: str) -> bool:
    """Tell whether the lists have the call numbers of this processor."""
    return machine in _MACHINES


def instructions(machine: str, pid: int) -> Iterator[_Instruction]:
    """Yield the filter's instructions for this processor: operation, two jumps, a number."""
    column, architecture = _MACHINES[machine]
    yield _LOAD, 0, 0, _ARCHITECTURE
    yield _IF_EQUAL, 1, 0, architecture
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, _NUMBER
    yield _IF_AT_LEAST, 0, 1, _X32
    yield _RETURN, 0, 0, _KILL
    yield from _answer([_FUTEX[column]], _only_futex())
    yield from _answer([_MMAP[column], _MPROTECT[column]], _never_executable())
    yield from _answer([_TGKILL[column]], _only_process(pid))
    for numbers in _ALLOWED.values():
        yield from _answer([numbers[column]], [(_RETURN, 0, 0, _ALLOW)])
    for refused in _REFUSED.values():
        yield from _answer([refused[column]], [(_RETURN, 0, 0, _ERROR | errno.EACCES)])
    yield _RETURN, 0, 0, _KILL


def _answer(numbers: list[int | None], block: list[_Instruction]) -> Iterator[_Instruction]:
    """Yield instructions that run the block for calls with these numbers; the block returns."""
    for number in numbers:
        if number is not None:
            yield _IF_EQUAL, 0, len(block), number
            yield from block


def _only_futex() -> list[_Instruction]:
    checks = [
        (_IF_EQUAL, len(_FUTEX_OPERATIONS) - place, 0, one)
        for place, one in enumerate(_FUTEX_OPERATIONS)
    ]
    kill, allow = (_RETURN, 0, 0, _KILL), (_RETURN, 0, 0, _ALLOW)
    return [(_LOAD, 0, 0, _argument(1)), (_AND, 0, 0, _FUTEX_MASK), *checks, kill, allow]


def _never_executable() -> list[_Instruction]:
    return [
        (_LOAD, 0, 0, _argument(2)),
        (_IF_BITS, 0, 1, _PROT_EXEC),
        (_RETURN, 0, 0, _KILL),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _only_process(pid: int) -> list[_Instruction]:
    """Return the block that allows signals only to this process, which abort(3) sends to itself."""
    return [
        (_LOAD, 0, 0, _argument(0)),
        (_IF_EQUAL, 1, 0, pid),
        (_RETURN, 0, 0, _KILL),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _argument(place: int) -> int:
    """Return the offset of an argument's lower half; both processors are little-endian."""
    return _ARGUMENTS + 8 * place
