"""What the live channel counts; one process, so the numbers are in its memory."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

TRANSPORTS = ("websocket", "polling", "sse")
registry = CollectorRegistry()
connections = Gauge(
    "wharf_live_connections", "Connections at present.", ("transport",), registry=registry
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
    "Clients that were told to read the events anew: they were too slow, or had numbers that this "
    "database has never given out.",
    registry=registry,
)
byes = Counter("wharf_live_byes", "Clients that were sent away.", ("reason",), registry=registry)
_delivery = Histogram(
    "wharf_live_delivery_seconds",
    "From the time of an event until it was sent.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
    registry=registry,
)
following = Gauge(
    "wharf_live_following_tenants", "Tenants whose events are followed.", registry=registry
)
database_up = Gauge(
    "wharf_live_database_up",
    "1 while the database answers, else 0.",
    registry=registry,
)
database_up.set(1)


def delivered(at: int) -> None:
    """Count an event that was sent now; `at` is its time in unix milliseconds."""
    _delivery.observe(max(0.0, time.time() - at / 1000))


def exposition(count: Callable[[], None]) -> tuple[bytes, str]:
    """Return the metrics and their media type; `count` counts the connections before."""
    count()
    return generate_latest(registry), CONTENT_TYPE_LATEST
