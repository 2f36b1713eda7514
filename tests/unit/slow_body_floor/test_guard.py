"""The guard over request bodies, beside what the end-to-end tests see of it."""

from __future__ import annotations

import os
import time

import pytest

from slow_body_floor import connections, foreign_sockets
from slow_body_floor.connections import Connection
from slow_body_floor.guard import Guard


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The moments at which the kernel was asked for connections; time goes on by 100 s each."""
    moments: list[int] = []
    received = [0]

    def established(_: int) -> list[Connection]:
        moments.append(len(moments))
        received[0] += 1
        return [Connection(1, 5, "192.0.2.7", received[0], 0)]

    now = iter(range(0, 10_000, 100))
    monkeypatch.setattr(connections, "established", established)
    monkeypatch.setattr(foreign_sockets, "duplicate", lambda *_: 0)
    monkeypatch.setattr(foreign_sockets, "children", lambda _: [])
    monkeypatch.setattr(os, "close", lambda _: None)
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    return moments


class Told:
    """What a guard says and counts, over a server that is not there."""

    def __init__(self, bytes_per_second: int = 500) -> None:
        self.lines: list[str] = []
        self.cut: list[int] = []
        self.guard = Guard(
            lambda: [1],
            80,
            bytes_per_second=bytes_per_second,
            window_seconds=30,
            log=self.lines.append,
            on_cut=self.cut.append,
        )


def test_a_refusal_by_the_kernel_is_said_once(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where sockets of others may not be touched, one line says so and nothing is looked at."""

    def refused(*_: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(foreign_sockets, "duplicate", refused)
    told = Told()
    told.guard.check()
    asked.clear()
    for _ in range(5):
        told.guard.poll()
    assert asked == []
    [line] = told.lines
    assert line.startswith("slow request bodies are not cut")


def test_a_floor_of_zero_switches_it_off(asked: list[int]) -> None:
    """The kernel is asked for nothing."""
    told = Told(bytes_per_second=0)
    told.guard.check()
    told.guard.poll()
    assert asked == []


def test_a_cut_is_said_and_counted(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The line has the address; the owner is told the number."""
    monkeypatch.setattr(foreign_sockets, "end_reading", lambda *_: 1)
    told = Told()
    for _ in range(4):
        told.guard.poll()
    assert asked
    assert told.cut == [1]
    [line] = told.lines
    assert line.endswith("from 192.0.2.7")


def test_a_failed_look_does_not_end_the_owner(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that ends in the middle of a cut, or a kernel without memory, is no crash."""

    def gone(*_: object) -> int:
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(foreign_sockets, "end_reading", gone)
    told = Told()
    for _ in range(6):
        told.guard.poll()
    assert len(asked) == 6
    assert "No such process" in told.lines[-1]
