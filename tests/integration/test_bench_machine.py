"""Data that the benchmark reads from the machine: CPU time of processes,
and owners of connections.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.bench import balance, machine
from loadtests.bench.transfers import Client
from tests.servers.ports import free_port

# Two processes that share a port, as workers of nginx do, and keep the connections that they
# accept.
_SERVER = """
import os, socket, sys
port = int(sys.argv[1])
os.fork()
with socket.socket() as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind(("127.0.0.1", port))
    server.listen(64)
    os.write(1, b"ready\\n")
    kept = []
    while True:
        kept.append(server.accept())
"""


@pytest.fixture
def shared_port() -> Iterator[tuple[int, int]]:
    """Yield a port on which two processes listen, and the id of their ancestor."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(port)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        for _ in range(2):
            assert parent.stdout.readline() == "ready\n"
        yield port, parent.pid
        for pid in machine.family(parent.pid):
            os.kill(pid, 9)


def test_connections_are_balanced(shared_port: tuple[int, int]) -> None:
    """If four connections are balanced over two processes, each process has two of them."""
    port, root = shared_port
    clients = balance.balanced(lambda: Client(port, {}), 4, port, root)
    ports = {one.local_port for one in clients}
    assert len(ports) == 4
    owners = balance._owners(port, ports, root)
    assert sorted(Counter(owners.values()).values()) == [2, 2]
    for one in clients:
        one.close()


def test_one_is_dealt_from_each_in_turn() -> None:
    """`dealt` takes elements from the queues in turn, skips empty queues, and takes
    no more than requested.
    """
    assert balance.dealt([["a", "b", "c"], ["d"]], 3) == ["a", "d", "b"]
    assert balance.dealt([["a"], ["b"]], 4) == ["a", "b"]


def test_cpu_time_is_exact() -> None:
    """`cpu_seconds` measures five milliseconds of work, and includes children
    that have ended.
    """
    own = {os.getpid()}
    before, begin = machine.cpu_seconds(own), time.process_time()
    while time.process_time() - begin < 0.005:
        pass
    spent = machine.cpu_seconds(own) - before
    assert 0.004 < spent < 0.5
    before = machine.cpu_seconds(own)
    program = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert machine.cpu_seconds(own) - before >= 0.15


def test_memory_is_given_back() -> None:
    """After `warm_memory` the process has released the memory that it used."""
    own = {os.getpid()}
    before = machine.pss_bytes(own)
    machine.warm_memory(64 * machine.MIB)
    assert machine.pss_bytes(own) - before < 16 * machine.MIB


def test_a_process_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    """`cpu_seconds` is 0, without an error, for a process that has ended and whose
    exit status was read.
    """
    with subprocess.Popen(["true"], cwd=tmp_path) as process:
        pass
    assert machine.cpu_seconds({process.pid}) == 0.0
