"""The stages of an upload and how long each takes: for metrics, and for traces where these are on.

`receive` is from the body's arrival in Python to its commit, and has `hash` in it and `fsync` of
the file; `commit` is from asking for it to its being durable, the `fsync` of the names and the wait
for a group's turn included. `fsync` is each call.
"""

from __future__ import annotations

import time
from typing import Protocol

from servicekit.metric_buffers import MetricBuffer

ADMISSION, RECEIVE, HASH, FSYNC, COMMIT = ALL = (
    ("admission",),
    ("receive",),
    ("hash",),
    ("fsync",),
    ("commit",),
)
durations = MetricBuffer()
_note = durations.note


class Tracer(Protocol):
    """What makes spans of stages (`servicekit.tracing`)."""

    def stage(self, name: str, begun: float, ended: float) -> None:
        """A stage of the request that this thread works on; times of `time.perf_counter()`."""


# None: traces are off, and this is all that they cost.
tracer: Tracer | None = None


def ended(stage: tuple[str], begun: float) -> None:
    """Notes that a stage has ended now; `begun` is `time.perf_counter()` at its beginning."""
    now = time.perf_counter()
    _note((stage, now - begun))
    if tracer is not None:
        tracer.stage(stage[0], begun, now)
