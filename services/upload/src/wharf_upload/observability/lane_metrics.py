"""Prometheus metrics of jobs, by lane. A process that has no lanes has none of these series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily, Metric

from servicekit import metrics
from wharf_upload.domain.jobs import LaneState
from wharf_upload.jobs import job_metrics

_ENDED = Counter(
    "wharf_jobs_done_total", "Runs of handlers of jobs that ended.", ("lane", "result")
)
_LOST = Counter(
    "wharf_jobs_leases_lost_total", "Leases that expired before the job ended.", ("lane",)
)
_SECONDS = metrics.BatchHistogram(
    "wharf_jobs_duration_seconds",
    "Time of a run of a job's handler.",
    ("lane",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
_STATES = (
    ("waiting", "Jobs that wait, counted up to a million."),
    ("taken", "Jobs that a process has taken."),
    ("dead", "Jobs that are dead: their tries are used up, or they cannot succeed."),
    ("oldest_seconds", "Time for which the oldest job has been due; 0 if no job is due."),
)


def connect() -> None:
    """Connect the metric buffers of jobs with these metrics."""
    metrics.count_buffer(job_metrics.ended, _ENDED)
    metrics.count_buffer(job_metrics.lost_leases, _LOST)
    metrics.observe_buffer(job_metrics.durations, _SECONDS, labels=1)


def begin_at_zero(lanes: Iterable[str]) -> None:
    """Create the series of lanes with the value 0."""
    for lane in lanes:
        for result in get_args(job_metrics.Result):
            _ENDED.labels(lane, result)
        _LOST.labels(lane)
        _SECONDS.labels(lane)


def families(states: Mapping[str, LaneState]) -> Iterator[Metric]:
    """Yield the metric families of the states of lanes; none without lanes."""
    if not states:
        return
    for name, help_text in _STATES:
        family = GaugeMetricFamily(f"wharf_jobs_{name}", help_text, labels=("lane",))
        for lane, state in states.items():
            family.add_metric((lane,), getattr(state, name))
        yield family
