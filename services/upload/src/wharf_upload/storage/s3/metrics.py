"""The metrics of requests to the object store."""

from __future__ import annotations

import time

from servicekit.metric_buffers import MetricBuffer

OPERATIONS = (
    PUT,
    CREATE_MULTIPART,
    UPLOAD_PART,
    COMPLETE_MULTIPART,
    ABORT_MULTIPART,
    HEAD,
    GET,
    DELETE,
    LIST,
    LIST_MULTIPARTS,
    LIFECYCLE,
) = (
    "put",
    "create_multipart",
    "upload_part",
    "complete_multipart",
    "abort_multipart",
    "head",
    "get",
    "delete",
    "list",
    "list_multiparts",
    "lifecycle",
)
OUTCOMES = (OK, MISSING, DENIED, BUSY, FAILED, TIMEOUT) = (
    "ok",
    "missing",
    "denied",
    "busy",
    "failed",
    "timeout",
)

requests = MetricBuffer()
"""Requests to the store, by operation and outcome; each try counts."""
seconds = MetricBuffer()
"""The duration of requests, by operation; for `get` until the first byte."""
sent_bytes = MetricBuffer()
"""Bytes of content that the store has accepted, by operation."""
received_bytes = MetricBuffer()
"""Bytes of content that were read, by operation."""


def note(operation: str, outcome: str, begun: float) -> None:
    """Note a request; `begun` is `time.perf_counter()` at its start."""
    requests.note(((operation, outcome), 1))
    seconds.note(((operation,), time.perf_counter() - begun))
