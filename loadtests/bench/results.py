"""The results of a run: its measurements, its rows, and its file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from loadtests.bench.servers import NGINX


@dataclass(frozen=True)
class Record:
    """One measurement. `rate` is in requests a second, or MB (10^6 bytes) a second.

    `cpu_per_gib` is in seconds, `cpu_per_request` in microseconds.
    """

    workload: str
    target: str
    turn: int
    rate: float
    peak_pss_bytes: int
    p50: float | None = None
    p99: float | None = None
    cpu_per_gib: float | None = None
    cpu_per_request: float | None = None
    calm: bool = True


@dataclass(frozen=True)
class Row:
    """A server in a workload, with one value for each round.

    `ratios` compare with nginx in the same round. nginx itself has none.
    """

    workload: str
    target: str
    records: tuple[Record, ...]
    ratios: tuple[float, ...]

    @property
    def rates(self) -> tuple[float, ...]:
        """Return requests or MB a second."""
        return tuple(one.rate for one in self.records)

    @property
    def judged(self) -> tuple[float, ...]:
        """Return the values that show the speed: ratios to nginx, or for nginx itself its rates."""
        return self.ratios or self.rates

    @property
    def cpu(self) -> tuple[float, ...]:
        """Return CPU seconds for a GiB, or CPU microseconds for a small request."""
        each = (one.cpu_per_gib or one.cpu_per_request for one in self.records)
        return tuple(value for value in each if value is not None)

    @property
    def memory(self) -> tuple[float, ...]:
        """Return the peak memory (PSS) in bytes."""
        return tuple(float(one.peak_pss_bytes) for one in self.records)

    @property
    def is_small(self) -> bool:
        """Tell whether the row is about small requests, which are also judged by their CPU time."""
        return any(one.cpu_per_request is not None for one in self.records)


@dataclass(frozen=True)
class Run:
    """A run of the bench. `hotpath` maps kinds of requests to microseconds, for each round."""

    commit: str
    machine: str
    quick: bool
    records: tuple[Record, ...]
    hotpath: tuple[dict[str, float], ...] = ()

    def rows(self) -> dict[tuple[str, str], Row]:
        """Return the rows by workload and server, in the order of the measurements."""
        found: dict[tuple[str, str], list[Record]] = {}
        for one in self.records:
            found.setdefault((one.workload, one.target), []).append(one)
        return {
            (workload, target): Row(workload, target, tuple(own), self._ratios(own))
            for (workload, target), own in found.items()
        }

    def _ratios(self, own: Iterable[Record]) -> tuple[float, ...]:
        nginx = {(one.workload, one.turn): one.rate for one in self.records if one.target == NGINX}
        return tuple(one.rate / nginx[one.workload, one.turn] for one in own if one.target != NGINX)

    def hotpath_rows(self) -> dict[str, tuple[float, ...]]:
        """Return the microseconds of all rounds by kind of request."""
        kinds = self.hotpath[0] if self.hotpath else {}
        return {kind: tuple(turn[kind] for turn in self.hotpath) for kind in kinds}

    def save(self, path: Path) -> None:
        """Write the run as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")


def load(path: Path) -> Run:
    """Read a run from a file; raise `OSError` or `msgspec.DecodeError`."""
    return msgspec.json.decode(path.read_bytes(), type=Run)
