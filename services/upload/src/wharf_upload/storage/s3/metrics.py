"""What the object store was asked, for the metrics."""

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
"""Requests to the store, by operation and outcome; each repetition is one."""
seconds = MetricBuffer()
"""How long each took, by operation; of `get` to the first byte."""
sent_bytes = MetricBuffer()
"""Bytes of content that were sent and taken, by operation."""
received_bytes = MetricBuffer()
"""Bytes of content that were read, by operation."""


def note(operation: str, outcome: str, begun: float) -> None:
    """Note a request; `begun` is `time.perf_counter()` at its beginning."""
    requests.note(((operation, outcome), 1))
    seconds.note(((operation,), time.perf_counter() - begun))
