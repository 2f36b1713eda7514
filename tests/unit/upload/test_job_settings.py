"""Tests of the settings of jobs: the engine, its Redis, and the rules of lanes."""

from __future__ import annotations

import dataclasses

import pytest

from servicekit.settings import SettingsError, read
from wharf_upload.domain.jobs import Lane
from wharf_upload.domain.lane_rules import parse_lane_rules
from wharf_upload.jobs import lanes
from wharf_upload.settings import Settings

DATA = {"WHARF_DATA": "/srv/wharf"}
REDIS, OTHER = "redis://redis:6379/0", "rediss://jobs:6379/1"


def test_default() -> None:
    """By default threads run the jobs, and each lane has its own rules."""
    settings = read(Settings, DATA)
    assert settings.jobs_engine == "threads"
    assert [settings.lane_rules[lane.name].applied(lane) for lane in lanes.ALL] == [*lanes.ALL]


@pytest.mark.parametrize("lane", lanes.ALL, ids=lambda lane: lane.name)
def test_documented_rules(lane: Lane) -> None:
    """The description of a lane's setting contains the lane's default rules."""
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    doc = fields[f"jobs_{lane.name}"].metadata["doc"]
    shown = parse_lane_rules(doc.split("`")[3])
    assert None not in values_of(shown)
    assert shown.applied(lane) == lane


def values_of(rules: object) -> list[object]:
    """Return the values of a struct."""
    return [getattr(rules, name) for name in ("lease_seconds", "window", "at_once", "tries")]


def test_own_rules() -> None:
    """Rules of a lane replace single defaults."""
    settings = read(Settings, DATA | {"WHARF_JOBS_BULK": "at_once=7  lease=90"})
    changed = settings.lane_rules["bulk"].applied(lanes.BULK)
    assert (changed.at_once, changed.lease_seconds) == (7, 90)
    assert (changed.window, changed.tries) == (lanes.BULK.window, lanes.BULK.tries)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("leases=3", "lease, window, at_once, tries"),
        ("lease", "from 5 to 86400"),
        ("lease=4", "from 5 to 86400"),
        ("window=0", "from 1 to 1000"),
        ("at_once=257", "from 1 to 256"),
        ("at_once=\uff11", "from 1 to 256"),
        ("tries=-1", "from 1 to 1000"),
        ("tries=1_0", "from 1 to 1000"),
        ("tries=99999999999999999999", "from 1 to 1000"),
        ("tries=1 tries=2", "one value of tries"),
        ("lease=30,window=4", "from 5 to 86400"),
    ],
)
def test_wrong_rules(text: str, allowed: str) -> None:
    """A wrong rule is refused with the variable, the word, and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        read(Settings, DATA | {"WHARF_JOBS_WEBHOOK": text})
    assert str(caught.value).startswith(
        f"WHARF_JOBS_WEBHOOK={text!r}: '{text.rsplit(maxsplit=1)[-1]}"
    )
    assert allowed in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"WHARF_LIMITS_URL": REDIS}, REDIS),
        ({"WHARF_LIMITS_URL": REDIS, "WHARF_JOBS_URL": OTHER}, OTHER),
        ({"WHARF_JOBS_URL": OTHER}, OTHER),
    ],
)
def test_the_redis_of_jobs(environ: dict[str, str], place: str) -> None:
    """The engine `dramatiq` uses its own Redis, otherwise the Redis of the limits."""
    settings = read(Settings, DATA | environ | {"WHARF_JOBS_ENGINE": "dramatiq"})
    assert settings.jobs_place(settings.limits_url) == place


def test_no_redis() -> None:
    """The engine `dramatiq` without any Redis is refused, with the variable that is missing."""
    with pytest.raises(SettingsError, match="WHARF_JOBS_URL is missing"):
        read(Settings, DATA | {"WHARF_JOBS_ENGINE": "dramatiq"})


@pytest.mark.parametrize("variable", ["WHARF_JOBS_URL", "WHARF_NOTICES_URL"])
def test_no_address_of_a_redis(variable: str) -> None:
    """An address of anything but a Redis is refused, and not shown because it may be secret."""
    with pytest.raises(SettingsError) as caught:
        read(Settings, DATA | {variable: "amqp://user:hunter2@rabbit"})
    assert variable in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("WHARF_JOBS_ENGINE", "celery"), ("WHARF_JOBS_DEAD_SECONDS", "60")],
)
def test_wrong_values(name: str, value: str) -> None:
    """A value that is not allowed is refused with what is allowed."""
    with pytest.raises(SettingsError, match=f"{name}=.*allowed"):
        read(Settings, DATA | {name: value})
