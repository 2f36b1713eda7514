"""A zygote whose children try to escape: `hostile_zygote.py LANDLOCK_ABI LAYER`.

LAYER is `all`, or the only layer that is active: `landlock` or `limits`. A child makes the attempt
with its number (`ATTEMPTS`), and writes `escaped`, or `refused` and the reason.
"""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import resource
import socket
import sys
import threading
from collections.abc import Callable, Mapping

from wharf_images.sandbox import confinement, seccomp
from wharf_images.sandbox.kernel import LIBC
from wharf_images.zygote import serve

ZYGOTE = os.getpid()
MACHINE = os.uname().machine
_X86 = MACHINE == "x86_64"
_X32 = 0x40000000


def _syscall(x86: int, arm: int, *arguments: object) -> Callable[[], object]:
    """Return a function that makes a system call by its number, so that only the kernel, and no
    library function, can refuse the call.
    """

    def call() -> None:
        given = [
            one if isinstance(one, bytes) else ctypes.c_long(int(str(one))) for one in arguments
        ]
        if LIBC.syscall(x86 if _X86 else arm, *given) < 0:
            raise OSError(ctypes.get_errno(), "refused")

    return call


def _executable_memory() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def _made_executable() -> None:
    memory = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if LIBC.mprotect(ctypes.c_void_p(address), 4096, 5):
        raise OSError(ctypes.get_errno(), "refused")


def _open_descriptors() -> None:
    found = []
    for number in range(256):
        try:
            os.lseek(number, 0, os.SEEK_CUR)
        except OSError as error:
            if error.errno != 29:  # a pipe or a socket cannot be sought, but it is open
                continue
        found.append(number)
    if found == [confinement.BLOB, confinement.RESULT]:
        raise PermissionError(0, "nothing else is open")


def _write_much() -> None:
    written = 0
    while written <= confinement.FILE_BYTES:
        written += os.write(confinement.BLOB, bytes(65536))


def _much_memory() -> None:
    bytearray(confinement.ADDRESS_BYTES)


def _wait() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def _much_time() -> None:
    while True:
        hashlib.sha256(bytes(4096)).digest()


def _new_descriptor() -> None:
    os.dup(confinement.BLOB)


def _raise_limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _connect_tcp() -> None:
    port = int(os.pread(confinement.BLOB, 8, 0) or b"1")
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", port))


def _connect_abstract() -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(b"\0" + os.pread(confinement.BLOB, 64, 0))


ATTEMPTS: Mapping[str, Callable[[], object]] = {
    "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "make a file": lambda: os.open("/tmp/escaped", os.O_WRONLY | os.O_CREAT),
    "list a folder": lambda: os.listdir("/"),
    "look at a file": lambda: os.stat("/etc/passwd"),
    "read a link": lambda: os.readlink("/proc/self/exe"),
    "read the environment": lambda: os.open("/proc/self/environ", os.O_RDONLY),
    "read the parent's memory": lambda: os.open(f"/proc/{ZYGOTE}/mem", os.O_RDONLY),
    "remove a file": lambda: os.unlink("/tmp/nothing-to-remove"),
    "change the mode of a file": lambda: os.chmod("/tmp", 0o777),
    "change the folder": lambda: os.chdir("/"),
    "make a socket": socket.socket,
    "make a pair of sockets": socket.socketpair,
    "connect to a port": _connect_tcp,
    "connect to an abstract socket": _connect_abstract,
    "fork": os.fork,
    "run a program": lambda: os.execv("/bin/true", ["true"]),
    "make a thread": _syscall(435, 435, 0, 0),
    "trace the parent": _syscall(101, 117, 16, ZYGOTE, 0, 0),
    "read another process": _syscall(310, 270, ZYGOTE, 0, 0, 0, 0, 0),
    "end the parent": lambda: os.kill(ZYGOTE, 9),
    "end the parent's thread": _syscall(234, 131, ZYGOTE, ZYGOTE, 9),
    "find a process": lambda: os.pidfd_open(ZYGOTE),
    "make a memory file": lambda: os.memfd_create("x"),
    "use io_uring": _syscall(425, 425, 8, 0),
    "use bpf": _syscall(321, 280, 0, 0, 0),
    "use userfaultfd": _syscall(323, 282, 0),
    "use performance counters": _syscall(298, 241, 0, 0, -1, -1, 0),
    "use keys": _syscall(250, 219, 0, 0, 0, 0, 0),
    "use a futex with priorities": _syscall(202, 98, 0, 6, 0, 0, 0, 0),
    "make a namespace": _syscall(272, 97, 0x10000000),
    "mount": _syscall(165, 40, 0, 0, 0, 0, 0),
    "become another user": lambda: os.setuid(65534),
    "set an option of the process": _syscall(157, 167, 4, 1, 0, 0, 0),
    "use the numbers of x32": _syscall(_X32 + 39, 4096, 0),
    "have executable memory": _executable_memory,
    "make memory executable": _made_executable,
    "find another descriptor": _open_descriptors,
    "make a descriptor": _new_descriptor,
    "raise a limit": _raise_limit,
    "write much": _write_much,
    "have much memory": _much_memory,
    "have much time": _much_time,
    "wait for ever": _wait,
    "write much output": lambda: os.write(confinement.RESULT, bytes(2 * 1024 * 1024)),
    "crash": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "do nothing": lambda: None,
}


def attempt(_: int, number: int) -> bytes:
    """Make the attempt with this number and return its outcome."""
    try:
        list(ATTEMPTS.values())[number]()
    except OSError as error:
        return f"refused {error.errno}".encode()
    except MemoryError:
        return b"refused memory"
    return b"escaped"


def main(landlock_abi: int, layer: str) -> None:
    """Serve the requests that arrive on descriptor 3."""
    if layer != "all":
        seccomp.install = lambda pid: None
    if layer == "landlock":
        confinement._LIMITS = ()
    else:
        # The usual limit of processor time is too long for a test.
        confinement._LIMITS = tuple(
            (one, 1, 2) if one == resource.RLIMIT_CPU else (one, soft, hard)
            for one, soft, hard in confinement._LIMITS
        )
    serve(attempt, landlock_abi)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
