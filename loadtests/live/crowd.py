"""Idle connections from several processes, each with own addresses and descriptors."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec

from loadtests.live.idle import Order
from tests.servers.wharf.instance import ROOT, Wharf
from tests.servers.wharf.tenants import Signer

_PROCESSES, _OF_ONE_ADDRESS, _OF_ONE_TENANT = 4, 100, 100
# A time that is longer than any measurement.
_GOOD_SECONDS = 7200
_COMMAND = [sys.executable, "-m", "loadtests.live.idle"]


@contextmanager
def crowd(wharf: Wharf, connections: int) -> Iterator[None]:
    """Keep idle connections of several tenants open during a block; fail if one is lost."""
    signer = Signer(wharf)
    expiry = int(time.time()) + _GOOD_SECONDS
    tokens = [
        signer.token(tid=f"idle-{number // _OF_ONE_TENANT}", scope="events:read", exp=expiry)
        for number in range(connections)
    ]
    with ExitStack() as stack:
        children = []
        for part in range(_PROCESSES):
            own = tokens[part::_PROCESSES]
            addresses = range(1, 2 + len(own) // _OF_ONE_ADDRESS)
            sources = [f"127.0.{part + 2}.{number}" for number in addresses]
            child = stack.enter_context(
                subprocess.Popen(
                    _COMMAND, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            assert child.stdin is not None
            order = Order(wharf.port, own, sources)
            child.stdin.write(msgspec.json.encode(order).decode() + "\n")
            child.stdin.flush()
            children.append(child)
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "open\n", "connections were refused"
        yield
        lost = sum(json.loads(child.communicate()[0])["lost"] for child in children)
        assert lost == 0, f"{lost} idle connections were lost"
