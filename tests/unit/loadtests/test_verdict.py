"""The thresholds and shapes of load tests, and the content of the uploaded files."""

from __future__ import annotations

import pytest

from loadtests.load import verdict
from loadtests.load.content import BLOCK_BYTES, Content
from loadtests.load.stages import PATIENCE_SECONDS, SHAPES, Thresholds
from loadtests.load.verdict import Kind, Numbers

KINDS = (Kind("PUT small", 900, 0, 20, quick=True), Kind("PUT large", 100, 0, 5000, quick=False))
GOOD = Numbers(KINDS, 10)


def test_a_good_run_misses_nothing() -> None:
    """A run within all thresholds misses none. Durations of large transfers have no threshold."""
    limits = Thresholds(0.0, p99_milliseconds=20, requests_per_second=100)
    assert verdict.missed(limits, GOOD, expected=["PUT small", "PUT large"]) == []


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
    """A line has the threshold's name, the value, the limit and the variable that sets it."""
    (line,) = verdict.missed(limits, GOOD)
    assert line.startswith(name)
    assert all(number in line for number in numbers), line


def test_the_failure_ratio_counts_all_requests() -> None:
    """One failure in a thousand passes at a ratio of 0.001, and fails at a smaller ratio."""
    numbers = Numbers([Kind("GET", 1000, 1, 1, quick=True)], 10)
    assert verdict.missed(Thresholds(0.001), numbers) == []
    (line,) = verdict.missed(Thresholds(0.0009), numbers)
    assert "0.1000% of 1000 requests failed (1 GET)" in line


def test_a_run_without_requests_fails() -> None:
    """A run without requests fails, whichever thresholds it has."""
    assert verdict.missed(Thresholds(0.5), Numbers([], 10)) != []


def test_wrong_bytes_always_fail() -> None:
    """A fault fails a run, even if the thresholds allow all requests to fail."""
    lines = verdict.missed(Thresholds(1.0), GOOD, faults=["GET: differs"])
    assert lines == ["wrong content: GET: differs"]


def test_what_never_succeeded_is_named() -> None:
    """If a kind of request never succeeds, the verdict names it."""
    numbers = Numbers([*KINDS, Kind("list", 3, 3, 1, quick=True)], 10)
    lines = verdict.missed(Thresholds(1.0), numbers, expected=["list", "PUT small"])
    assert lines == ["never done: no list succeeded"]


def test_the_noisy_tenant_is_judged_alone() -> None:
    """Thresholds ignore requests of the noisy tenant, but errors in them fail the run."""
    noise = [Kind("noisy: PUT", 9, 0, 9000, quick=False), Kind("noisy: X", 9, 1, 1, quick=False)]
    (line,) = verdict.missed(Thresholds(0.0), Numbers([*KINDS, *noise], 10))
    assert line == ("the noisy tenant: 1 of 9 noisy: X were answered with neither success nor 429")


def test_an_exception_in_a_user_fails_a_run() -> None:
    """An exception in a user fails a run, although locust does not count it as a request."""
    lines = verdict.missed(Thresholds(1.0), Numbers(KINDS, 10, ["'url', 2 times"]))
    assert lines == ["exception in a user: 'url', 2 times"]


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_end(name: str) -> None:
    """At any scale each shape has users from its first second to its last, and none later."""
    for plan in (SHAPES[name], SHAPES[name].scaled(users=3, seconds=7)):
        assert plan.users_at(0)
        assert plan.users_at(plan.seconds - 0.01)
        assert plan.users_at(plan.seconds + 0.01) is None
    assert max(one.users for one in SHAPES[name].scaled(users=3, seconds=7).stages) == 3
    assert SHAPES[name].scaled(users=3, seconds=7).seconds == pytest.approx(7)


def test_smoke_waits_for_each_kind_of_request() -> None:
    """The shape `smoke` continues until each kind of request has succeeded, or until a time
    limit.
    """
    plan = SHAPES["smoke"]
    assert plan.users_at(plan.seconds, complete=True) is None
    assert plan.users_at(plan.seconds, complete=False) == 16
    assert plan.users_at(PATIENCE_SECONDS, complete=False) is None


def test_stress_goes_up_and_comes_back() -> None:
    """The shape `stress` adds users in steps, and ends with as many users as it began with."""
    users = [stage.users for stage in SHAPES["stress"].stages]
    assert users[:-1] == sorted(set(users[:-1]))
    assert users[-1] == users[0]


def test_content_is_the_same_in_any_parts() -> None:
    """A part of a content has the bytes of the whole content, even across the end of a block."""
    content = Content(BLOCK_BYTES - 1000, BLOCK_BYTES + 5000)
    whole = content.part()
    assert len(whole) == content.size
    assert content.part(900, 300_000) == whole[900:300_000]
    assert content.part(BLOCK_BYTES - 10) == whole[BLOCK_BYTES - 10 :]
