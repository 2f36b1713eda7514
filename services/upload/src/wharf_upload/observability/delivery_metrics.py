"""Prometheus metrics of webhooks."""

from __future__ import annotations

from typing import get_args

from prometheus_client import Counter

from servicekit import metrics
from wharf_upload.database import endpoint_health, next_deliveries
from wharf_upload.webhooks import webhook_metrics

_TRIES = Counter("wharf_webhook_tries_total", "Tries to deliver an event.", ("result",))
_SECONDS = metrics.BatchHistogram(
    "wharf_webhook_duration_seconds",
    "Time from the beginning of a try to its end.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)
_DISABLED = Counter(
    "wharf_webhook_endpoints_disabled_total", "Endpoints that were disabled.", ("reason",)
)
_GAPS = Counter(
    "wharf_webhook_gaps_total", "Times that an endpoint missed events, because they were deleted."
)


def connect() -> None:
    """Connect the metric buffers of webhooks with these metrics."""
    metrics.count_buffer(webhook_metrics.tries, _TRIES)
    metrics.observe_buffer(webhook_metrics.durations, _SECONDS, labels=0)
    metrics.count_buffer(endpoint_health.disabled, _DISABLED)
    metrics.count_buffer(next_deliveries.gaps, _GAPS)


def begin_at_zero() -> None:
    """Create the series of all known labels with the value 0."""
    for result in get_args(webhook_metrics.Result):
        _TRIES.labels(result)
    for reason in get_args(endpoint_health.Reason):
        _DISABLED.labels(reason)
