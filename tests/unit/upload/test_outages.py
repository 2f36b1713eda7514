"""Tests of the circuit breaker, which decides which callers query an unavailable database."""

from __future__ import annotations

from tests.unit.upload.test_links import Clock
from wharf_upload.database.circuit_breaker import CircuitBreaker


def test_one_question_a_second() -> None:
    """After a failure one caller queries each second, and a success ends the outage."""
    clock = Clock()
    breaker = CircuitBreaker(seconds=1.0, clock=clock)
    clock.now = 10.0
    assert not breaker.is_open()
    breaker.record_failure()
    assert breaker.is_open()
    clock.now = 10.9
    assert breaker.is_open()
    clock.now = 11.0
    assert not breaker.is_open()  # This caller queries; the others do not wait for it.
    clock.now = 20.0
    assert breaker.is_open()
    breaker.record_failure()
    clock.now = 20.5
    assert breaker.is_open()
    clock.now = 21.0
    assert not breaker.is_open()
    breaker.record_unknown()  # This caller did not query, so another one may.
    assert not breaker.is_open()
    breaker.record_success()
    assert not breaker.is_open()
    breaker.record_unknown()
    assert not breaker.is_open()


def test_one_failure_is_over_with_an_answer() -> None:
    """A success that follows a failure ends the outage, and then every caller may query. This
    applies to each outage.
    """
    clock = Clock()
    breaker = CircuitBreaker(seconds=1.0, clock=clock)
    for now in (0.0, 10.0):
        clock.now = now
        assert [breaker.is_open() for _ in range(3)] == [False] * 3
        breaker.record_failure()
        breaker.record_success()
    assert [breaker.is_open() for _ in range(3)] == [False] * 3


def test_how_long_nobody_asks() -> None:
    """By default the circuit breaker is open for three seconds after a failure."""
    clock = Clock()
    breaker = CircuitBreaker(clock=clock)
    clock.now = 10.0
    breaker.record_failure()
    clock.now = 12.999
    assert breaker.is_open()
    clock.now = 13.0
    assert not breaker.is_open()
