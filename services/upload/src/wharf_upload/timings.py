"""The durations of an upload's stages, for metrics and, if tracing is on, for traces.

`receive` is the time from the body's arrival in Python to the start of the commit; it includes
`hash` and the file's `fsync`. `commit` is the time from the request of a commit until the commit is
durable; it includes the `fsync` of the names and the wait for the group commit. `fsync` is the time
of each fsync call.
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
    """The interface that makes spans from stages (`servicekit.tracing`)."""

    def stage(self, name: str, begun: float, ended: float) -> None:
        """Add a stage of this thread's request; the times are from `time.perf_counter()`."""


# None: tracing is off. The check for None is then the only cost.
tracer: Tracer | None = None


def ended(stage: tuple[str], begun: float) -> None:
    """Record that a stage has ended now; `begun` is `time.perf_counter()` at its beginning."""
    now = time.perf_counter()
    _note((stage, now - begun))
    if tracer is not None:
        tracer.stage(stage[0], begun, now)
