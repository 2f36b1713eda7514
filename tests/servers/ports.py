"""TCP ports for servers of tests: never the same one twice, in however many pytests at once.

`python3 -I tests/servers/ports.py COUNT` prints free ports, and keeps them until its standard input
ends. It needs nothing but Python's own modules.
"""

from __future__ import annotations

import errno
import os
import random
import socket
import sys
from pathlib import Path

_BLOCK = 32
_FIRST = 12 * 1024
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_DEFAULT_EPHEMERAL = 32768


class _Ports:
    """The ports of one process: blocks that it has claimed, and how many of the last it has used.

    The claim of a block is a Unix socket with an abstract name. The kernel gives a name to one
    process at a time, frees it when that process ends, and keeps names apart by network namespace,
    as it does with ports. Ports lie below those that the kernel hands out to clients and to
    servers without a port of their own, so nobody else takes one between its choice and its use.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._claims: list[socket.socket] = []
        self._left: list[int] = []

    def take(self) -> int:
        """A port on which nobody listens, and which this process gets once."""
        while True:
            if not self._left:
                self._left = self._claim()
            port = self._left.pop()
            if _is_free(port):
                return port

    def _claim(self) -> list[int]:
        blocks = list(range(_FIRST // _BLOCK, _end() // _BLOCK))
        # Not `random`'s own generator: tests seed that one, so two pytests draw the same numbers.
        random.SystemRandom().shuffle(blocks)
        for block in blocks:
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                claim.bind(f"\0wharf-test-ports-{block}")
            except OSError as error:
                claim.close()
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            self._claims.append(claim)
            return list(range(block * _BLOCK, (block + 1) * _BLOCK))
        raise RuntimeError("other processes have claimed all ports for tests")


def _end() -> int:
    """The first port that is not ours: where the kernel's own begin."""
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except OSError:
        return _DEFAULT_EPHEMERAL


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


_own: list[_Ports] = []


def free_port() -> int:
    """A port on which nobody listens, and which nobody else gets while this process lives."""
    # A forked child has its parent's claims; it makes its own.
    if not _own or _own[0].owner != os.getpid():
        _own[:] = [_Ports()]
    return _own[0].take()


def free_ports(count: int = 2) -> tuple[int, ...]:
    """So many different ports, as `free_port` hands them out."""
    return tuple(free_port() for _ in range(count))


if __name__ == "__main__":
    sys.stdout.write(" ".join(map(str, free_ports(int(sys.argv[1])))) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
