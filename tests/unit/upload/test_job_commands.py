"""Tests of `wharf-upload jobs`, by which an operator lists, retries and drops jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.servers.upload import UploadService
from wharf_upload.commands import jobs as commands
from wharf_upload.domain.jobs import NewJob

UNKNOWN = "0" * 32


def run(upload: UploadService, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(commands.jobs, arguments, obj=upload.settings, input=answer)


def listed(upload: UploadService, *arguments: str) -> list[dict[str, Any]]:
    result = run(upload, "list", *arguments)
    assert result.exit_code == 0
    return [json.loads(line) for line in result.output.splitlines()]


@pytest.fixture
def stored(upload: UploadService) -> UploadService:
    """Return a service with a job that waits, one that is taken, and two that are dead."""
    jobs = upload.records.jobs
    for subject in ("dead", "dead-too", "taken", "waiting"):
        jobs.add([NewJob(lane="bulk", tenant="demo", subject=subject)])
        if subject == "waiting":
            continue
        (turn,) = jobs.take("bulk", {"demo": 1}, 60)
        job = jobs.begin(turn)
        assert job is not None
        if subject != "taken":
            jobs.bury(job, "The receiver is gone.\nReally.")
    jobs.add([NewJob(lane="webhook", tenant="other", share="endpoint", subject="x")])
    return upload


def test_jobs_are_listed(stored: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job is one line of JSON with its state, in all pages, and filters select jobs."""
    monkeypatch.setattr(commands, "_PAGE", 1)
    found = [(job["subject"], job["state"], job["share"]) for job in listed(stored)]
    assert sorted(found) == [
        *(("taken", "taken", "demo"), ("waiting", "waiting", "demo")),
        ("x", "waiting", "endpoint"),
    ]
    assert [job["subject"] for job in listed(stored, "--lane=webhook")] == ["x"]
    assert {job["subject"] for job in listed(stored, "--tenant=demo")} == {"taken", "waiting"}
    assert listed(stored, "--tenant=demo", "--lane=webhook") == []


def test_dead_jobs_are_listed(stored: UploadService) -> None:
    """A dead job is shown with its reason in the same line."""
    first, second = listed(stored, "--dead")
    assert {first["subject"], second["subject"]} == {"dead", "dead-too"}
    assert (first["state"], first["tries"]) == ("dead", 1)
    assert first["error"] == "The receiver is gone.\nReally."


def test_retrying_one(stored: UploadService) -> None:
    """A dead job that is retried waits again; an id of another job fails."""
    first, second = listed(stored, "--dead")
    done = run(stored, "retry", "--id", first["id"], "--id", first["id"])
    assert (done.exit_code, done.output) == (0, "retried: 1\n")
    assert listed(stored, "--dead") == [second]
    assert first["subject"] in {job["subject"] for job in listed(stored)}
    assert run(stored, "retry", "--id", UNKNOWN).exit_code == 1
    assert run(stored, "retry", "--id", first["id"]).exit_code == 1


def test_retrying_all_of_a_lane(stored: UploadService) -> None:
    """All dead jobs of a lane are retried, and none of another lane."""
    assert run(stored, "retry", "--lane=webhook").output == "retried: 0\n"
    assert run(stored, "retry", "--lane=bulk").output == "retried: 2\n"
    assert listed(stored, "--dead") == []


def test_dropping_one(stored: UploadService) -> None:
    """A job that is named by its id is dropped without a question."""
    (job,) = listed(stored, "--lane=webhook")
    assert run(stored, "drop", "--id", job["id"]).output == "dropped: 1\n"
    assert listed(stored, "--lane=webhook") == []
    assert run(stored, "drop", "--id", job["id"]).exit_code == 1


@pytest.mark.parametrize(
    ("more", "answer", "left"),
    [([], "n\n", 2), ([], "", 2), ([], "y\n", 0), (["--yes"], "", 0), (["--dead", "--yes"], "", 2)],
)
def test_dropping_all(stored: UploadService, more: list[str], answer: str, left: int) -> None:
    """All jobs of a tenant are dropped after a confirmation, and dead jobs only with `--dead`."""
    run(stored, "drop", "--tenant=demo", *more, answer=answer)
    assert len(listed(stored, "--tenant=demo")) == left
    assert len(listed(stored, "--dead")) == (0 if "--dead" in more else 2)
    assert len(listed(stored, "--tenant=other")) == 1


@pytest.mark.parametrize("command", [["retry"], ["drop", "--yes"]])
@pytest.mark.parametrize("more", [[], ["--id", UNKNOWN, "--lane=bulk"], ["--id", "\0"]])
def test_nothing_to_select(stored: UploadService, command: list[str], more: list[str]) -> None:
    """Without a possible id or a filter, or with both, a command changes nothing and fails."""
    assert run(stored, *command, *more).exit_code == 1
    assert len(listed(stored)) == 3
    assert len(listed(stored, "--dead")) == 2


def test_running_with_threads(upload: UploadService) -> None:
    """Without a further command, and with the engine `threads`, the process says who runs jobs."""
    result = run(upload)
    assert result.exit_code == 1
    assert "the worker runs the jobs" in result.output
