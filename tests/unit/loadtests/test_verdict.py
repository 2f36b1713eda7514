"""Thresholds of load tests, and the shapes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.load import settings, verdict
from loadtests.load.content import BLOCK_BYTES, Content
from loadtests.load.stages import SHAPES, Thresholds
from loadtests.load.verdict import Kind

GOOD = (Kind("PUT small", 900, 0, 20, quick=True), Kind("PUT large", 100, 0, 5000, quick=False))


def test_a_good_run_misses_nothing() -> None:
    """Nothing is said of a run within all thresholds; large transfers are not judged by time."""
    limits = Thresholds(0.0, p99_milliseconds=20, requests_per_second=100)
    assert verdict.missed(limits, GOOD, 10, expected=["PUT small", "PUT large"]) == []


@pytest.mark.parametrize(
    ("limits", "name", "numbers"),
    [
        (Thresholds(0.0, p99_milliseconds=19), "p99: PUT small", ("20 ms", "19", "WHARF_LOAD_P99")),
        (
            Thresholds(0.0, requests_per_second=101),
            "throughput:",
            ("100.0", "101.0", "WHARF_LOAD_REQUESTS"),
        ),
    ],
)
def test_a_missed_threshold_is_named(
    limits: Thresholds, name: str, numbers: tuple[str, ...]
) -> None:
    """One line has the threshold's name, what was found, what was wanted and where it is set."""
    (line,) = verdict.missed(limits, GOOD, 10)
    assert line.startswith(name)
    assert all(number in line for number in numbers), line


def test_the_failure_ratio_counts_all_requests() -> None:
    """One failure in a thousand passes at 0.001 and is too much below it."""
    kinds = [Kind("GET", 1000, 1, 1, quick=True)]
    assert verdict.missed(Thresholds(0.001), kinds, 10) == []
    (line,) = verdict.missed(Thresholds(0.0009), kinds, 10)
    assert "0.1000% of 1000 requests failed (1 GET)" in line


def test_a_run_without_requests_fails() -> None:
    """A run in which nothing was asked for is no good run, whatever the thresholds."""
    assert verdict.missed(Thresholds(0.5), [], 10) != []


def test_wrong_bytes_always_fail() -> None:
    """One fault fails a run that may have failures."""
    lines = verdict.missed(Thresholds(1.0), GOOD, 10, faults=["GET: differs"])
    assert lines == ["wrong content: GET: differs"]


def test_what_never_succeeded_is_named() -> None:
    """A kind of request that only failed counts as never done."""
    kinds = [*GOOD, Kind("list", 3, 3, 1, quick=True)]
    lines = verdict.missed(Thresholds(1.0), kinds, 10, expected=["list", "PUT small"])
    assert lines == ["never done: no list succeeded"]


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_end(name: str) -> None:
    """Each shape has users from its first second to its last and none after, at any scale."""
    for plan in (SHAPES[name], SHAPES[name].scaled(users=3, seconds=7)):
        assert plan.users_at(0)
        assert plan.users_at(plan.seconds - 0.01)
        assert plan.users_at(plan.seconds + 0.01) is None
    assert max(one.users for one in SHAPES[name].scaled(users=3, seconds=7).stages) == 3
    assert SHAPES[name].scaled(users=3, seconds=7).seconds == pytest.approx(7)


def test_stress_goes_up_and_comes_back() -> None:
    """Stress has more users step by step, and in the end no more than in the beginning."""
    users = [stage.users for stage in SHAPES["stress"].stages]
    assert users[:-1] == sorted(set(users[:-1]))
    assert users[-1] == users[0]


def test_content_is_the_same_in_any_parts() -> None:
    """A part is a part of the whole, over the end of the block too."""
    content = Content(BLOCK_BYTES - 1000, BLOCK_BYTES + 5000)
    whole = content.part()
    assert len(whole) == content.size
    assert content.part(900, 300_000) == whole[900:300_000]
    assert content.part(BLOCK_BYTES - 10) == whole[BLOCK_BYTES - 10 :]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What is needed, with credentials as `make run` leaves them."""
    credentials = {"admin": {"client_id": "root", "client_secret": "s"}, "demo": {}}
    (tmp_path / "credentials.json").write_text(json.dumps(credentials))
    return {"WHARF_DATA": str(tmp_path), "WHARF_PORT": "9999"}


def test_defaults_are_those_of_the_native_run(environ: dict[str, str]) -> None:
    """Without more words it is the average day against the Wharf of `make run`."""
    found = settings.read(environ)
    assert (found.shape, found.host) == ("average", "http://127.0.0.1:9999")
    assert (found.client_id, found.client_secret) == ("root", "s")
    assert found.thresholds == SHAPES["average"].thresholds


def test_thresholds_can_be_set(environ: dict[str, str]) -> None:
    """Each threshold of a shape is replaced by its variable, to zero as well."""
    found = settings.read(
        {
            **environ,
            "SHAPE": "stress",
            "WHARF_LOAD_P99_MS": "7",
            "WHARF_LOAD_FAILURE_RATIO": "0",
            "WHARF_LOAD_REQUESTS_PER_SECOND": "3",
        }
    )
    assert found.thresholds == Thresholds(0.0, 7, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHAPE", "huge"),
        ("HOST", "127.0.0.1:8080"),
        ("HOST", "http://127.0.0.1/v1"),
        ("CREDENTIALS", "/nowhere/credentials.json"),
        ("WHARF_LOAD_USERS", "2.5"),
        ("WHARF_LOAD_USERS", "0"),
        ("WHARF_LOAD_P99_MS", "fast"),
        ("WHARF_LOAD_SECONDS", "-1"),
        ("WHARF_LOAD_FAILURE_RATIO", "nan"),
    ],
)
def test_wrong_settings_are_named(environ: dict[str, str], name: str, value: str) -> None:
    """A setting that cannot be used is refused with a line that has its value."""
    with pytest.raises(settings.BadSetting, match=value):
        settings.read({**environ, name: value})
