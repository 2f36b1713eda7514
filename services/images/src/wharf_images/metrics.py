"""What the service counts, in Prometheus' text format; docs/metrics.md says what each means.

A few numbers of one process: prometheus_client would cost a third of the service's memory (ADR 51).
"""

from __future__ import annotations

import os
import platform
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OUTCOMES = (
    *("made", "unknown", "broken", "too-large", "too-slow", "gone"),
    *("busy", "unavailable", "failed", "left"),
)
ENDS = (
    *("done", "cpu", "time", "output", "file-size"),
    *("refused-call", "crash", "killed", "unconfined"),
)
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """All counters; any thread may count.

    Attributes:
        gauges: by name, what it is and how it is looked up.
    """

    def __init__(self, version: str) -> None:
        self._version = version
        self._lock = threading.Lock()
        self._outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        self._ends = Counter(dict.fromkeys(ENDS, 0))
        self._seconds, self._buckets = 0.0, [0] * (len(_BUCKETS) + 1)
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}

    def answered(self, outcome: str, seconds: float) -> None:
        """Count an answer, and the time from the request to it."""
        place = next((at for at, most in enumerate(_BUCKETS) if seconds <= most), len(_BUCKETS))
        with self._lock:
            self._outcomes[outcome] += 1
            self._seconds += seconds
            self._buckets[place] += 1

    def child_ended(self, how: str) -> None:
        """Count the end of a sandboxed process."""
        with self._lock:
            self._ends[how] += 1

    def text(self) -> str:
        """Return all of it as Prometheus reads it."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        with self._lock:
            outcomes, ends = dict(self._outcomes), dict(self._ends)
            seconds, buckets = self._seconds, list(self._buckets)
        labels = f'service="images",version="{self._version}",python="{platform.python_version()}"'
        yield from _family(
            "wharf_build_info", "gauge", "Always 1; the labels say what runs.", [(labels, 1)]
        )
        yield from _family(
            "wharf_images_pictures_total",
            "counter",
            "Requests for pictures, by outcome.",
            ((f'outcome="{name}"', count) for name, count in outcomes.items()),
        )
        yield from _family(
            "wharf_images_child_ends_total",
            "counter",
            "How processes in the sandbox ended.",
            ((f'how="{name}"', count) for name, count in ends.items()),
        )
        yield from _histogram(seconds, buckets)
        for name, (meaning, look) in self.gauges.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            yield from _family(name, kind, meaning, [("", look())])


def memory_bytes(pids: Iterable[int]) -> float:
    """Return the memory of processes: PSS, in which shared pages are divided among those."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                line = next(line for line in file if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
        total += int(line.split()[1]) * 1024
    return float(total)


def cpu_seconds() -> float:
    """Return the CPU time of this process and of those that it has buried."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _family(
    name: str, kind: str, meaning: str, samples: Iterable[tuple[str, float]]
) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"


def _histogram(seconds: float, buckets: list[int]) -> Iterator[str]:
    name = "wharf_images_seconds"
    yield f"# HELP {name} Time from a request for a picture to its answer."
    yield f"# TYPE {name} histogram"
    total = 0
    for most, count in zip((*_BUCKETS, "+Inf"), buckets, strict=True):
        total += count
        yield f'{name}_bucket{{le="{most}"}} {total}'
    yield f"{name}_sum {seconds}"
    yield f"{name}_count {total}"
