"""`make load`: its users work against a real Wharf, and its thresholds fail a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.wharf.instance import ROOT, Wharf
from tests.servers.wharf.tenants import Tenants

# For a machine that is busy with other things; a run takes 20 s on an idle one.
_PATIENCE_SECONDS = 280


def _load(wharf: Wharf, report: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
    environ = {"HOST": wharf.url, "WHARF_DATA": str(wharf.data), "REPORT": str(report), **settings}
    return subprocess.run(
        [sys.executable, "-m", "loadtests.load"],
        env={**kept, **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )


def test_smoke(wharf: Wharf, tenants: Tenants, tmp_path: Path) -> None:
    """Every kind of user succeeds, every byte is right, a report is there, and nothing is left."""
    report = tmp_path / "smoke.html"
    done = _load(wharf, report, SHAPE="smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all thresholds held" in done.stdout
    assert "GET by link" in report.read_text(encoding="utf-8")
    answer = tenants.admin.get("/auth/v1/tenants?limit=1000")
    made = [one for one in answer.json()["tenants"] if one["tenant"].startswith("load-")]
    assert made
    assert {one["state"] for one in made} == {"deleted"}


def test_a_missed_threshold_fails_the_run(wharf: Wharf, tmp_path: Path) -> None:
    """A run below a threshold ends with status 1 and a line that names it."""
    done = _load(
        wharf,
        tmp_path / "short.html",
        SHAPE="average",
        WHARF_LOAD_SECONDS="2",
        WHARF_LOAD_USERS="4",
        WHARF_LOAD_P99_MS="1000000",
        WHARF_LOAD_REQUESTS_PER_SECOND="1000000",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = [one for one in done.stderr.splitlines() if "missed" in one]
    assert "throughput" in line
    assert "WHARF_LOAD_REQUESTS_PER_SECOND" in line


@pytest.mark.parametrize(
    ("setting", "value", "hint"),
    [("HOST", "http://127.0.0.1:1", "is Wharf running"), ("SHAPE", "big", "smoke, average")],
)
def test_a_run_that_cannot_begin_says_why(
    wharf: Wharf, tmp_path: Path, setting: str, value: str, hint: str
) -> None:
    """Without a Wharf there, or with a shape that is none, status 2 and one line say what to do."""
    done = _load(wharf, tmp_path / "none.html", **{setting: value})
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert hint in line


def test_noise_is_measured() -> None:
    """Beside every kind of noise quiet tenants are served; the noisy one's answers are counted."""
    kept = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "loadtests.noisy",
            *["--seconds=2", "--rounds=1", "--calm=0", "--most=inf"],
        ],
        env=kept,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in ("all requests", "floods 201", "logins 200", "transfers MB up"):
        assert said in done.stdout
