"""Requests through nginx and uWSGI, alternately on a small and on a full database."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from loadtests.bench import machine
from loadtests.bench.small import WrkFailed
from loadtests.scale.connection import HttpConnection
from loadtests.scale.records_layer import Cost
from loadtests.scale.requests import KINDS, Client, Kind
from loadtests.scale.rows import CONTENT

_SCRIPT = Path(__file__).with_name("requests.lua")
_CONNECTIONS = 16


def measure(small: Client, full: Client, calls: int, only: str = "") -> list[Cost]:
    """Measure each kind of request `calls` times, alternately on the small and the full database.

    A tenth as many calls come first and are not counted.
    """
    with HttpConnection(small.wharf.port) as few, HttpConnection(full.wharf.port) as many:
        pairs = ((small, few), (full, many))
        return [_measure(kind, pairs, calls) for kind in KINDS if only in kind.title]


def _measure(kind: Kind, pairs: Sequence[tuple[Client, HttpConnection]], calls: int) -> Cost:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(calls + calls // 10):
        for (client, connection), found in zip(pairs, times, strict=True):
            if kind.before is not None:
                connection.microseconds(kind.before(client))
            found.append(connection.microseconds(kind.make(client)))
    first = times[1][0]
    few, many = (found[calls // 10 :] for found in times)
    return Cost(kind.title, median(few), median(many), fmean(few), fmean(many), first)


# ---- saturation ----


@dataclass(frozen=True)
class Load:
    """Requests a second, and the server's CPU time for a request in milliseconds."""

    per_second: float
    cpu_milliseconds: float


@dataclass(frozen=True)
class LoadRatio:
    """The loads of both databases, and the median of the rounds' ratios of full to small."""

    title: str
    small: Load
    full: Load
    time_ratio: float
    cpu_ratio: float


def saturate(
    small: Client, full: Client, pids: Sequence[int], *, rounds: int, seconds: float
) -> list[LoadRatio]:
    """Measure GET and PUT of 10 KiB over 16 connections; `pids` are the database's processes."""
    found = []
    for method in ("GET", "PUT"):
        pairs = []
        for turn in range(rounds):
            # The order of the databases alternates, because the second one finds other caches and
            # another disk state.
            order = (small, full) if turn % 2 else (full, small)
            loads = {id(client): _load(client, method, pids, seconds) for client in order}
            pairs.append((loads[id(small)], loads[id(full)]))
        found.append(_ratio(f"{method} 10 KiB, {_CONNECTIONS} connections", pairs))
    return found


def _ratio(title: str, pairs: Sequence[tuple[Load, Load]]) -> LoadRatio:
    small, full = (
        Load(median(one.per_second for one in side), median(one.cpu_milliseconds for one in side))
        for side in zip(*pairs, strict=True)
    )
    return LoadRatio(
        title,
        small,
        full,
        median(few.per_second / many.per_second for few, many in pairs),
        median(many.cpu_milliseconds / few.cpu_milliseconds for few, many in pairs),
    )


def _load(client: Client, method: str, pids: Sequence[int], seconds: float) -> Load:
    folder = client.wharf.folder
    body, targets = folder / "body", folder / "targets"
    body.write_bytes(CONTENT)
    lines = []
    for tenant, number in client.case.hot:
        request = client.to(method, 200, tenant, number)
        lines.append(f"{request.target}\t{request.token}\n")
    targets.write_text("".join(lines))
    roots = [client.wharf.pid, *pids]
    before = _cpu(roots)
    result = _wrk(client.wharf.port, method, targets, body, seconds)
    used = _cpu(roots) - before
    return Load(
        result["requests"] / (result["microseconds"] / 1e6), 1e3 * used / result["requests"]
    )


def _cpu(roots: Sequence[int]) -> float:
    return machine.cpu_seconds({pid for root in roots for pid in machine.family(root)})


def _wrk(port: int, method: str, targets: Path, body: Path, seconds: float) -> dict[str, int]:
    command = [
        *("wrk", "--threads", "1", "--connections", str(_CONNECTIONS), "--timeout", "30s"),
        *("--duration", f"{seconds:g}s", "--script", str(_SCRIPT), f"http://127.0.0.1:{port}"),
    ]
    environment = {
        **os.environ,
        "SCALE_METHOD": method,
        "SCALE_TARGETS": str(targets),
        "SCALE_BODY": str(body),
        # Each round has new keys.
        "SCALE_RUN": os.urandom(4).hex(),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise WrkFailed(f"wrk failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    found: dict[str, int] = json.loads(lines[-1].removeprefix("RESULT "))
    if found["refused"] or found["broken"]:
        raise WrkFailed(f"{method}: {found['refused']} refused, {found['broken']} broken")
    return found
