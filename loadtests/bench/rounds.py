"""The rounds of a run: in each, every workload on every server, and the price of Python alone."""

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
    """`loadtests.hotpath` did not end well; the message has its last words."""


def in_turn(servers: Sequence[str], turn: int) -> list[str]:
    """Return the servers in the order of a round: each comes first once before one does again."""
    first = (turn - 1) % len(servers)
    return [*servers[first:], *servers[:first]]


def measured(
    workloads: Sequence[str], servers: Sequence[str], turn: int, sources: Sources, scale: Scale
) -> Iterator[Record]:
    """Yield the measurements of a round; the servers of a workload follow on each other."""
    for name in workloads:
        for target in in_turn(servers, turn):
            if WORKLOADS[name].takes(target):
                yield _measure(name, target, turn, sources, scale)


def _measure(name: str, target: str, turn: int, sources: Sources, scale: Scale) -> Record:
    """One measurement on a fresh server, which is gone afterwards with all that it stored."""
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
    """Return all measurements, and for each round what Python alone takes."""
    sources = make_sources(work, scale)
    records: list[Record] = []
    prices = []
    for turn in range(1, rounds + 1):
        machine.wait_calm(scale.calm_seconds)
        prices.append(hotpath(scale))
        records += measured(workloads, servers, turn, sources, scale)
    return tuple(records), tuple(prices)


def say(line: str) -> None:
    """Tell a person how far it is."""
    print(f"bench: {line}", file=sys.stderr, flush=True)
