"""The rounds of a run: each measures all workloads on all servers, and Python's CPU time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtests.bench import machine
from loadtests.bench.results import Record
from loadtests.bench.servers import ROOT
from loadtests.bench.sources import Scale, Sources, make_sources, prefetch
from loadtests.bench.targets import server
from loadtests.bench.workloads import WORKLOADS, record, touch, warm


class HotpathFailed(Exception):
    """`loadtests.hotpath` has failed; the message has its last output."""


def in_turn(servers: Sequence[str], turn: int) -> list[str]:
    """Return the servers in the order of a round. The first one changes with each round."""
    first = (turn - 1) % len(servers)
    return [*servers[first:], *servers[:first]]


def measured(
    workloads: Sequence[str], servers: Sequence[str], turn: int, sources: Sources, scale: Scale
) -> Iterator[Record]:
    """Yield the measurements of a round, all servers of a workload before the next workload."""
    for name in workloads:
        for target in in_turn(servers, turn):
            if WORKLOADS[name].takes(target):
                yield _measure(name, target, turn, sources, scale)


def _measure(name: str, target: str, turn: int, sources: Sources, scale: Scale) -> Record:
    """Return a measurement on a new server. Delete the server's data afterwards."""
    work = sources.small.parent
    with server(target, work / target) as running:
        touch(running, sources)
        machine.warm_memory(scale.warm_bytes)
        WORKLOADS[name].prepare(running, sources)
        os.sync()
        prefetch(sources)
        warm(running)
        calm = machine.wait_calm(scale.calm_seconds)
        found = record(name, target, turn, running, sources, scale, calm=calm)
    os.sync()
    say(f"round {turn}, {name}, {target}: {found.rate:,.0f} {WORKLOADS[name].unit}")
    return found


def hotpath(scale: Scale) -> dict[str, float]:
    """Return the CPU time of the upload service's Python by kind of request, in microseconds."""
    command = [sys.executable, "-m", "loadtests.hotpath", "--json"]
    command += ["--requests", str(scale.hotpath_requests), "--rounds", str(scale.hotpath_rounds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HotpathFailed(f"loadtests.hotpath failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    found: dict[str, float] = json.loads(done.stdout)
    say("Python alone: " + ", ".join(f"{kind} {value:.0f} µs" for kind, value in found.items()))
    return found


def run_rounds(
    workloads: Sequence[str], servers: Sequence[str], rounds: int, work: Path, scale: Scale
) -> tuple[tuple[Record, ...], tuple[dict[str, float], ...]]:
    """Return all measurements, and Python's CPU time for each round."""
    sources = make_sources(work, scale)
    records: list[Record] = []
    prices = []
    for turn in range(1, rounds + 1):
        machine.wait_calm(scale.calm_seconds)
        prices.append(hotpath(scale))
        records += measured(workloads, servers, turn, sources, scale)
    return tuple(records), tuple(prices)


def say(line: str) -> None:
    """Print a line about the progress."""
    print(f"bench: {line}", file=sys.stderr, flush=True)
