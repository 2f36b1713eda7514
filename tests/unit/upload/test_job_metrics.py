"""Tests of the metrics of jobs: states of lanes, and who publishes them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from servicekit.database import DatabaseUnavailable
from tests.servers.rounds import Rounds
from tests.servers.upload import UploadService
from wharf_upload.domain.jobs import LaneState, NewJob
from wharf_upload.jobs.lane_survey import SECONDS, LaneSurvey
from wharf_upload.observability import lane_metrics, metrics


class Publisher:
    """Keeps the published states."""

    def __init__(self) -> None:
        self.published: list[Mapping[str, LaneState]] = []

    def __call__(self, states: Mapping[str, LaneState]) -> None:
        self.published.append(states)


def values(states: Mapping[str, LaneState]) -> dict[tuple[str, str], float]:
    """Return the samples of the states by metric and lane."""
    return {
        (sample.name, sample.labels["lane"]): sample.value
        for family in lane_metrics.families(states)
        for sample in family.samples
    }


def test_states(upload: UploadService) -> None:
    """The dispatcher publishes the states of each of its lanes, each 15 s."""
    upload.records.jobs.add([NewJob(lane="bulk", tenant="demo", subject="x")] * 3)
    publish, stop = Publisher(), Rounds(2)
    LaneSurvey(upload.records.kept_jobs, ["bulk", "webhook"], lambda: True, publish).run(stop)
    assert stop.pauses[:2] == [1, SECONDS]
    assert SECONDS == 15
    found = values(publish.published[0])
    assert found["wharf_jobs_waiting", "bulk"] == 3
    assert found["wharf_jobs_waiting", "webhook"] == 0
    assert {name for name, _ in found} == {
        f"wharf_jobs_{name}" for name in ("waiting", "taken", "dead", "oldest_seconds")
    }


def test_another_dispatcher(upload: UploadService) -> None:
    """A process that does not dispatch publishes no states, which would count twice."""
    publish = Publisher()
    LaneSurvey(upload.records.kept_jobs, ["bulk"], lambda: False, publish).run(Rounds(2))
    assert publish.published[-1] == {}
    assert values({}) == {}


def test_an_unavailable_database(upload: UploadService) -> None:
    """A survey continues after errors of the database."""
    publish, errors = Publisher(), [DatabaseUnavailable("away"), ValueError("surprise")]

    def is_ours() -> bool:
        if errors:
            raise errors.pop()
        return True

    LaneSurvey(upload.records.kept_jobs, ["bulk"], is_ours, publish).run(Rounds(6))
    assert len(publish.published) >= 1


def test_states_of_a_mule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """States that the mule publishes are among the metrics of the service."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert list(metrics.published()) == []
    metrics.publish_lanes({"bulk": LaneState(waiting=7, oldest_seconds=2.5)})
    found = {
        sample.name: sample.value for family in metrics.published() for sample in family.samples
    }
    assert (found["wharf_jobs_waiting"], found["wharf_jobs_oldest_seconds"]) == (7, 2.5)


def test_the_end() -> None:
    """A survey ends when its event is set."""
    stop = threading.Event()
    stop.set()
    publish = Publisher()
    LaneSurvey(None, [], lambda: True, publish).run(stop)  # type: ignore[arg-type]
    assert publish.published == []
