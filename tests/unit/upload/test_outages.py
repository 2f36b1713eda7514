"""Who asks a database that is away."""

from __future__ import annotations

from tests.unit.upload.test_links import Clock
from wharf_upload.database.circuit_breaker import CircuitBreaker


def test_one_question_a_second() -> None:
    """After a failure one asks at a time, and a second later; an answer ends it."""
    clock = Clock()
    breaker = CircuitBreaker(seconds=1.0, clock=clock)
    clock.now = 10.0
    assert not breaker.is_open()
    breaker.record_failure()
    assert breaker.is_open()
    clock.now = 10.9
    assert breaker.is_open()
    clock.now = 11.0
    assert not breaker.is_open()  # this one asks; the others do not wait with it
    clock.now = 20.0
    assert breaker.is_open()
    breaker.record_failure()
    clock.now = 20.5
    assert breaker.is_open()
    clock.now = 21.0
    assert not breaker.is_open()
    breaker.record_unknown()  # it did not ask, so another one does
    assert not breaker.is_open()
    breaker.record_success()
    assert not breaker.is_open()
    breaker.record_unknown()
    assert not breaker.is_open()


def test_one_failure_is_over_with_an_answer() -> None:
    """Where the database has answered everybody may ask, at the start and after an outage."""
    clock = Clock()
    breaker = CircuitBreaker(seconds=1.0, clock=clock)
    for now in (0.0, 10.0):
        clock.now = now
        assert [breaker.is_open() for _ in range(3)] == [False] * 3
        breaker.record_failure()
        breaker.record_success()
    assert [breaker.is_open() for _ in range(3)] == [False] * 3


def test_how_long_nobody_asks() -> None:
    """After a failure nobody asks for three seconds, unless something else is said."""
    clock = Clock()
    breaker = CircuitBreaker(clock=clock)
    clock.now = 10.0
    breaker.record_failure()
    clock.now = 12.999
    assert breaker.is_open()
    clock.now = 13.0
    assert not breaker.is_open()
