"""The metrics of the service in Prometheus' text format; docs/metrics.md describes each of them.

The service has few metrics, and one process counts all of them. prometheus_client would need a
third of the service's memory (ADR 51).
"""

from __future__ import annotations

import os
import platform
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OUTCOMES = ("made", "no-preview", "busy", "failed", "left")
REASONS = ("unknown", "broken", "too-large", "too-slow", "gone")
ENDS = (
    *("done", "cpu", "time", "output", "file-size"),
    *("refused-call", "crash", "killed", "unconfined"),
)
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


Samples = Iterable[tuple[str, float]]


class Metrics:
    """All counters; its methods may be called from any thread.

    Attributes:
        gauges: by name, the help text and the function that returns the samples (labels and value).
    """

    def __init__(self, version: str) -> None:
        self._version = version
        self._lock = threading.Lock()
        self._outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        self._reasons = Counter(dict.fromkeys(REASONS, 0))
        self._ends = Counter(dict.fromkeys(ENDS, 0))
        self._seconds, self._buckets = 0.0, [0] * (len(_BUCKETS) + 1)
        self.gauges: dict[str, tuple[str, Callable[[], Samples]]] = {}

    def answered(self, outcome: str, seconds: float) -> None:
        """Count a response, and the time in seconds from the request to the response."""
        place = next((at for at, most in enumerate(_BUCKETS) if seconds <= most), len(_BUCKETS))
        with self._lock:
            self._outcomes[outcome] += 1
            self._seconds += seconds
            self._buckets[place] += 1

    def no_preview(self, reason: str) -> None:
        """Count a reason for which a file has no picture."""
        with self._lock:
            self._reasons[reason] += 1

    def child_ended(self, how: str) -> None:
        """Count the end of a sandboxed process."""
        with self._lock:
            self._ends[how] += 1

    def text(self) -> str:
        """Return all metrics in Prometheus' text format."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        with self._lock:
            outcomes, ends = dict(self._outcomes), dict(self._ends)
            reasons = dict(self._reasons)
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
            "wharf_images_no_preview_total",
            "counter",
            "Requests for pictures of files that have none, by the reason.",
            ((f'reason="{name}"', count) for name, count in reasons.items()),
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
            yield from _family(name, kind, meaning, look())


def memory_bytes(pid: int) -> float:
    """Return a process's memory in bytes (PSS, which divides shared pages), 0 on failure."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0.0
    return float(int(line.split()[1]) * 1024)


def cpu_seconds(zygotes: Iterable[int]) -> float:
    """Return the CPU time in seconds of this process, the zygotes, and their ended children."""
    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    for pid in zygotes:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        # utime, stime, cutime and cstime (proc(5)).
        total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def _family(name: str, kind: str, meaning: str, samples: Samples) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"


def _histogram(seconds: float, buckets: list[int]) -> Iterator[str]:
    name = "wharf_images_seconds"
    yield f"# HELP {name} Time from a request for a picture to its response."
    yield f"# TYPE {name} histogram"
    total = 0
    for most, count in zip((*_BUCKETS, "+Inf"), buckets, strict=True):
        total += count
        yield f'{name}_bucket{{le="{most}"}} {total}'
    yield f"{name}_sum {seconds}"
    yield f"{name}_count {total}"
