"""Who asks a database that is away."""

from __future__ import annotations

from tests.unit.upload.test_links import Clock
from wharf_upload.domain.outages import Outage


def test_one_question_a_second() -> None:
    """After a failure all are told at once, until one asks a second later; success ends it."""
    clock = Clock()
    outage = Outage(clock=clock)
    clock.now = 10.0
    assert not outage.lasts()
    outage.begin()
    assert outage.lasts()
    clock.now = 10.9
    assert outage.lasts()
    clock.now = 11.0
    assert not outage.lasts()  # this one asks, and is told again:
    outage.begin()
    clock.now = 11.5
    assert outage.lasts()
    clock.now = 12.0
    assert not outage.lasts()
    assert not outage.lasts()
