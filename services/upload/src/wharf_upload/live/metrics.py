"""The metrics of the live channel, which is one process and keeps its numbers in memory."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from wharf_upload import __version__

# Nothing uses the `_created` series, which the library would add to each counter and histogram.
disable_created_metrics()  # type: ignore[no-untyped-call]
TRANSPORTS = ("websocket", "polling", "sse")
registry = CollectorRegistry()
connections = Gauge(
    "wharf_live_connections", "Open connections.", ("transport",), registry=registry
)
events_sent = Counter(
    "wharf_live_events_sent", "Events that were sent, one for each receiver.", registry=registry
)
refusals = Counter(
    "wharf_live_refusals",
    "Connections and messages that were refused, by the problem's name.",
    ("reason",),
    registry=registry,
)
resyncs = Counter(
    "wharf_live_resyncs",
    "Clients that were asked to read the events again: they were too slow, knew event numbers that "
    "this database has never used, or had not received events that the worker deleted.",
    registry=registry,
)
byes = Counter(
    "wharf_live_byes", "Connections that the server ended.", ("reason",), registry=registry
)
_delivery = Histogram(
    "wharf_live_delivery_seconds",
    "Time from an event until it was sent, in seconds.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
    registry=registry,
)
following = Gauge(
    "wharf_live_following_tenants", "Tenants that have open connections.", registry=registry
)
database_up = Gauge(
    "wharf_live_database_up",
    "1 while the database responds, else 0.",
    registry=registry,
)
database_up.set(1)


class _Process(Collector):
    """The resources of this process.

    This module does not use `servicekit.metrics`, which imports Flask: Flask needs 5 MB of memory.
    """

    _started_at = time.time()

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(
            "wharf_build_info",
            "Always 1; the labels say what runs.",
            labels=("service", "version", "python"),
        )
        build.add_metric(("live", __version__, platform.python_version()), 1)
        yield build
        yield CounterMetricFamily(
            "wharf_process_cpu_seconds", "CPU time of the process.", value=time.process_time()
        )
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        for name, meaning, value in (
            ("start_time_seconds", "Start of the process, in unix seconds.", self._started_at),
            ("resident_memory_bytes", "Memory (PSS).", _memory_bytes()),
            ("open_fds", "Open descriptors.", len(os.listdir("/proc/self/fd"))),
            ("max_fds", "Descriptors that the process may have.", limit),
        ):
            yield GaugeMetricFamily(f"wharf_process_{name}", meaning, value=value)


def _memory_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


registry.register(_Process())


def delivered(at: int) -> None:
    """Observe the delay of an event that was sent now; `at` is its time in unix milliseconds."""
    _delivery.observe(max(0.0, time.time() - at / 1000))


def exposition(count: Callable[[], None]) -> tuple[bytes, str]:
    """Return the metrics and their media type; call `count` first to count the connections."""
    count()
    return generate_latest(registry), CONTENT_TYPE_LATEST
