"""Prometheus metrics of the object store.

An installation without an object store has none of these series.
"""

from __future__ import annotations

from prometheus_client import Counter

from servicekit import metrics
from wharf_upload.storage.s3 import metrics as store

_REQUESTS = Counter(
    "wharf_upload_store_requests_total",
    "Requests to the object store that ended; each retry counts.",
    ("operation", "outcome"),
)
_SECONDS = metrics.BatchHistogram(
    "wharf_upload_store_request_seconds",
    "Time of a request to the object store; for get, the time until the first byte.",
    ("operation",),
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
_BYTES = Counter(
    "wharf_upload_store_bytes_total",
    "Bytes of objects sent to the object store and received from it.",
    ("operation", "direction"),
)
# The operations that transfer an object's bytes, and the direction.
_CARRIERS = ((store.PUT, "sent"), (store.UPLOAD_PART, "sent"), (store.GET, "received"))


def connect() -> None:
    """Connect the metric buffers of the object store's client with these metrics."""
    metrics.count_buffer(store.requests, _REQUESTS)
    metrics.observe_buffer(store.seconds, _SECONDS, labels=1)
    metrics.count_buffer(store.sent_bytes, _BYTES, "sent")
    metrics.count_buffer(store.received_bytes, _BYTES, "received")


def begin_at_zero() -> None:
    """Create the series of all labels with 0; called if blobs are on an object store."""
    for operation in store.OPERATIONS:
        for outcome in store.OUTCOMES:
            _REQUESTS.labels(operation, outcome)
        _SECONDS.labels(operation)
    for operation, direction in _CARRIERS:
        _BYTES.labels(operation, direction)
