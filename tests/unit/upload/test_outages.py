"""Who asks a database that is away."""

from __future__ import annotations

from tests.unit.upload.test_links import Clock
from wharf_upload.domain.outages import Outage


def test_one_question_a_second() -> None:
    """After a failure one asks at a time, and a second later; an answer ends it."""
    clock = Clock()
    outage = Outage(seconds=1.0, clock=clock)
    clock.now = 10.0
    assert not outage.lasts()
    outage.begin()
    assert outage.lasts()
    assert outage.is_on()
    clock.now = 10.9
    assert outage.lasts()
    clock.now = 11.0
    assert not outage.lasts()  # this one asks; the others do not wait with it
    clock.now = 20.0
    assert outage.lasts()
    outage.begin()
    clock.now = 20.5
    assert outage.lasts()
    clock.now = 21.0
    assert not outage.lasts()
    outage.unknown()  # it did not ask, so another one does
    assert not outage.lasts()
    outage.end()
    assert not outage.lasts()
    outage.unknown()
    assert not outage.lasts()
