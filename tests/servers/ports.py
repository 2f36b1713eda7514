"""TCP ports for test servers: each port is used once, even with several pytests at the same time.

`python3 -I tests/servers/ports.py COUNT` prints free ports, and keeps them until its standard input
ends. The script needs only Python's own modules.
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
    """The ports of one process: the claimed blocks, and the unused ports of the last block.

    The claim of a block is a Unix socket with an abstract name. The kernel gives a name to one
    process at a time, frees it when that process ends, and separates names by network namespace, as
    it does with ports. The ports are below those that the kernel gives to clients and to servers
    without a fixed port, so no other process takes a port between its choice and its use.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._claims: list[socket.socket] = []
        self._left: list[int] = []

    def take(self) -> int:
        """Return a port without a listener, which this process gets only once."""
        while True:
            if not self._left:
                self._left = self._claim()
            port = self._left.pop()
            if _is_free(port):
                return port

    def _claim(self) -> list[int]:
        blocks = list(range(_FIRST // _BLOCK, _end() // _BLOCK))
        # Not `random`'s own generator, because tests seed it and two pytests would draw the same
        # numbers.
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
    """Return the first port that the kernel itself assigns."""
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
    """Return a port without a listener, which no other process gets while this one lives."""
    # A forked child has its parent's claims, so it makes its own.
    if not _own or _own[0].owner != os.getpid():
        _own[:] = [_Ports()]
    return _own[0].take()


def free_ports(count: int = 2) -> tuple[int, ...]:
    """Return different ports, each from `free_port`."""
    return tuple(free_port() for _ in range(count))


if __name__ == "__main__":
    sys.stdout.write(" ".join(map(str, free_ports(int(sys.argv[1])))) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
