"""The metrics of jobs, by lane."""

from __future__ import annotations

from typing import Literal

from servicekit.metric_buffers import MetricBuffer

Result = Literal["done", "again", "dead", "lost"]
ended = MetricBuffer()
"""Runs of handlers, by lane and result."""
durations = MetricBuffer()
"""Seconds that handlers ran, by lane."""
lost_leases = MetricBuffer()
"""Leases that expired before the job ended, by lane."""


def note_run(lane: str, result: Result, seconds: float) -> None:
    """Note a run of a handler."""
    ended.note(((lane, result), 1))
    durations.note(((lane,), seconds))
