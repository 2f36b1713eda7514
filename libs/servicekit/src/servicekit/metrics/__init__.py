"""Prometheus metrics that are correct for all uWSGI processes together (multi-process mode).

This module has the metrics that services share; docs/metrics.md lists all metrics. A request only
appends to buffers (`servicekit.metric_buffers`); the counters are updated later.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPMethod

from prometheus_client import Counter, Gauge

from servicekit import limit_counts
from servicekit.database import base as database
from servicekit.metric_buffers import Level, MetricBuffer
from servicekit.metrics.flushing import (
    BatchHistogram,
    count_buffer,
    flush,
    observe_buffer,
    on_flush,
    sum_buffer,
    watch,
)
from servicekit.metrics.scraping import Lookup, install, is_internal

__all__ = [
    "REQUEST_BUCKETS",
    "BatchHistogram",
    "Lookup",
    "count_buffer",
    "expect_policies",
    "expect_problems",
    "flush",
    "in_progress",
    "install",
    "is_internal",
    "lost_line",
    "observe",
    "observe_buffer",
    "on_flush",
    "refused",
    "sum_buffer",
    "watch",
]

REQUEST_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1, 2.5, 5, 10, 30),
)
_REQUESTS = Counter(
    "wharf_http_requests_total", "HTTP requests with a response.", ("route", "method", "status")
)
_SECONDS = BatchHistogram(
    "wharf_http_request_duration_seconds",
    "Time from the application's start on a request to its response.",
    ("route", "method"),
    buckets=REQUEST_BUCKETS,
)
_IN_PROGRESS = Gauge(
    "wharf_http_requests_in_progress",
    "Requests that threads are handling.",
    multiprocess_mode="livesum",
)
_LOG_LINES_LOST = Counter(
    "wharf_log_lines_lost_total", "Log lines of requests that could not be written."
)
_PROBLEMS = Counter("wharf_problems_total", "Requests refused, by problem.", ("slug",))
_DATABASE_ERRORS = Counter(
    "wharf_database_errors_total", "Failed calls of the database.", ("kind",)
)
_DATABASE_TRANSACTIONS = BatchHistogram(
    "wharf_database_transaction_duration_seconds",
    "Time of write transactions, commit included.",
    buckets=REQUEST_BUCKETS,
)
_DATABASE_WAITS = BatchHistogram(
    "wharf_database_wait_seconds",
    "Time that write transactions waited for their turn or for a connection.",
    buckets=REQUEST_BUCKETS,
)
_DATABASE_CONNECTIONS = Gauge(
    "wharf_database_connections",
    "Open connections of all processes to the database.",
    multiprocess_mode="livesum",
)

_RATELIMIT_HITS = Counter(
    "wharf_ratelimit_hits_total", "Requests refused for a rate limit.", ("policy",)
)
_RATELIMIT_FALLBACKS = Counter(
    "wharf_ratelimit_fallback_total",
    "Rate limit decisions by the process's own counters, while the shared storage is down.",
)

in_progress = Level()
_requests, _refusals = MetricBuffer(), MetricBuffer()
observe_buffer(_requests, _SECONDS, _REQUESTS, labels=2)
count_buffer(_refusals, _PROBLEMS)
count_buffer(database.errors, _DATABASE_ERRORS)
observe_buffer(database.transactions, _DATABASE_TRANSACTIONS, labels=0)
observe_buffer(database.waits, _DATABASE_WAITS, labels=0)
count_buffer(limit_counts.refusals, _RATELIMIT_HITS)
count_buffer(limit_counts.fallbacks, _RATELIMIT_FALLBACKS)
watch(in_progress, _IN_PROGRESS)
watch(database.connections, _DATABASE_CONNECTIONS)
for _kind in database.ERROR_KINDS:
    _DATABASE_ERRORS.labels(_kind)

_note = _requests.note
_METHODS = {method.value: method.value for method in HTTPMethod}
_STATUSES = {status: str(status) for status in range(100, 600)}
lost_line = _LOG_LINES_LOST.inc


def observe(route: str, method: str, status: int, seconds: float) -> None:
    """Add one finished request to the buffer.

    `route` is a pattern and never a path, so that the number of labels has a limit.
    """
    _note(((route, _METHODS.get(method, "other"), _STATUSES[status]), seconds))


def refused(slug: str) -> None:
    """Add the refusal of a request with this problem to the buffer."""
    _refusals.note(((slug,), 1))


def expect_problems(slugs: Iterable[str]) -> None:
    """Create the counters of these problems with the value 0.

    Prometheus would not see the increase of a counter that begins with 1.
    """
    for slug in slugs:
        _PROBLEMS.labels(slug)


def expect_policies(policies: Iterable[str]) -> None:
    """Create the counters of these policies of rate limits with the value 0."""
    for policy in policies:
        _RATELIMIT_HITS.labels(policy)
