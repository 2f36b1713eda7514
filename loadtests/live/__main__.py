"""`make bench-live`: measure idle connections of the live channel, and the delay of its events.

The command starts a Wharf with high limits twice: with hints between its processes, and without
them, when the live process asks for events once a second. The command prints two tables.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time
from contextlib import AbstractContextManager
from pathlib import Path

from loadtests.live.crowd import crowd
from loadtests.live.deliveries import echoes, late
from tests.servers.wharf.instance import Wharf, running

_DESCRIPTORS = 16_384
_ECHOING, _ECHO_SECONDS = 10, 5.0
# The pause before the measurement: each connection has a heartbeat in it, and the memory of
# handshakes is released.
_SETTLE_SECONDS = 30.0
#: No process listens at this address, so hints are lost, which is allowed.
_NOWHERE = "redis://127.0.0.1:1/0"
_PARTS = ("live", "nginx")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make bench-live", description=__doc__)
    parser.add_argument("--connections", type=int, default=2000, help="idle ones")
    parser.add_argument("--uploads", type=int, default=500, help="whose events are timed")
    parser.add_argument("--listeners", type=int, default=5, help="that hear each of them")
    parser.add_argument("--settle", type=float, default=_SETTLE_SECONDS, help="seconds")
    told = parser.parse_args()
    _raise_descriptors()
    with _wharf() as wharf:
        _memory_and_echo(wharf, told.connections, told.settle)
        print("\n| commit to client | p50 ms | p99 ms | most ms |\n|---|---|---|---|")
        with crowd(wharf, told.connections):
            _print_late(f"with hints, {told.connections} others", wharf, told)
    with _wharf(WHARF_NOTICES_URL=_NOWHERE, WHARF_LIVE_POLLING="on") as wharf:
        _print_late("without hints", wharf, told)


def _raise_descriptors() -> None:
    """Raise the limit of descriptors: a connection needs one at the client, two at the gateway."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _wharf(**settings: str) -> AbstractContextManager[Wharf]:
    return running(
        None,
        WHARF_LIVE_CONNECTIONS="10000",
        WHARF_LIVE_CONNECTIONS_PER_TENANT="10000",
        WHARF_LIVE_MESSAGES_PER_SECOND="1000000",
        WHARF_LIVE_ADDRESS_CONNECTIONS="10000",
        WHARF_ADDRESS_CONNECTIONS="10000",
        WHARF_ADDRESS_REQUESTS_PER_SECOND="100000",
        WHARF_ADDRESS_REQUESTS_BURST="100000",
        **settings,
    )


def _memory_and_echo(wharf: Wharf, connections: int, settle: float) -> None:
    asyncio.run(echoes(wharf, 1, 0.1))  # the first connection loads code, which is not counted
    before = _memory(wharf)
    with crowd(wharf, connections):
        time.sleep(settle)
        after = _memory(wharf)
    print(f"| PSS, MB | at rest | with {connections} idle connections | kB for each |")
    print("|---|---|---|---|")
    for name in _PARTS:
        each = (after[name] - before[name]) * 1024 / connections
        print(f"| {name} | {before[name]:.1f} | {after[name]:.1f} | {each:.1f} |")
    rate = asyncio.run(echoes(wharf, _ECHOING, _ECHO_SECONDS))
    print(f"\n{rate:,.0f} messages a second are answered ({_ECHOING} connections)")


def _print_late(title: str, wharf: Wharf, told: argparse.Namespace) -> None:
    found = sorted(asyncio.run(late(wharf, told.uploads, told.listeners)))
    cells = [found[int(part * (len(found) - 1))] for part in (0.5, 0.99, 1)]
    print(f"| {title} | {' | '.join(f'{cell:.0f}' for cell in cells)} |", flush=True)


def _memory(wharf: Wharf) -> dict[str, float]:
    """Return the memory in MB by part of Wharf."""
    return {
        name: sum(_pss_kilobytes(pid) for pid in wharf.processes(f"{name}.log")) / 1024
        for name in _PARTS
    }


def _pss_kilobytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
