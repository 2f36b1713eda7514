"""The guard over connections: cases that the end-to-end tests do not have."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable

import pytest

from socket_guard import connections, foreign_sockets
from socket_guard.connections import Connection
from socket_guard.floor import BodyFloor
from socket_guard.guard import CROWD, SLOW, Guard
from socket_guard.shares import Shares


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets an entry for each query of the guard to the kernel. Each reading of
    the clock is 100 s later than the reading before it.
    """
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
    """A guard over a simulated server. It collects the log lines and the cuts."""

    def __init__(self, bytes_per_second: int = 500, of_one: int = 0) -> None:
        self.lines: list[str] = []
        self.cut: list[tuple[str, int]] = []
        self.guard = Guard(
            lambda: [1],
            [80],
            floor=BodyFloor(bytes_per_second, 30),
            shares=Shares(of_one, 0),
            log=self.lines.append,
            on_cut=lambda *what: self.cut.append(what),
        )


def test_a_refusal_by_the_kernel_is_said_once(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the kernel denies access to sockets, one line reports it, and no connection is checked."""

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


def test_without_floor_and_shares_it_is_off(asked: list[int]) -> None:
    """Without a floor and without shares the guard sends no query to the kernel."""
    told = Told(bytes_per_second=0)
    assert told.guard.seconds > 60
    told.guard.check()
    told.guard.poll()
    assert asked == []


def test_a_cut_is_said_and_counted(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut is logged with the address, and the number of cuts is reported."""
    monkeypatch.setattr(foreign_sockets, "end", lambda *_: 1)
    told = Told()
    for _ in range(4):
        told.guard.poll()
    assert asked
    assert told.cut == [(SLOW, 1)]
    [line] = told.lines
    assert line.endswith("from 192.0.2.7")


def test_a_failed_look_does_not_end_the_owner(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error during a check is logged, and the guard continues."""

    def gone(*_: object) -> int:
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(foreign_sockets, "end", gone)
    told = Told()
    for _ in range(6):
        told.guard.poll()
    assert len(asked) == 6
    assert "No such process" in told.lines[-1]


class Crowd:
    """A simulated kernel with too many connections on a port. It counts the queries."""

    def __init__(self) -> None:
        self.sockets: int | None = 20
        self.connections = [Connection(one, one, "192.0.2.7", 1, 0) for one in range(1, 11)]
        self.counts = 0
        self.ended: list[int] = []

    def count(self, _: int) -> Counter[str]:
        """Return the number of connections of each address."""
        self.counts += 1
        return Counter(one.peer for one in self.connections)

    def end(self, _: object, inodes: Iterable[int], *, reset: bool) -> int:
        """Close the connections that have these inodes."""
        assert reset
        gone = set(inodes)
        self.ended += gone
        self.connections = [one for one in self.connections if one.inode not in gone]
        return len(gone)


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """Return ten connections of one address. Each reading of the clock is a second later."""
    found = Crowd()
    now = iter(range(1, 10_000))
    monkeypatch.setattr(connections, "all_sockets", lambda: found.sockets)
    monkeypatch.setattr(connections, "count", found.count)
    monkeypatch.setattr(connections, "established", lambda _: found.connections)
    monkeypatch.setattr(foreign_sockets, "children", lambda _: [])
    monkeypatch.setattr(foreign_sockets, "end", found.end)
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    return found


def test_a_crowd_is_cut_to_its_share(crowd: Crowd) -> None:
    """Connections above the share of an address are closed and counted, and no others."""
    told = Told(bytes_per_second=0, of_one=4)
    for _ in range(3):
        told.guard.poll()
    assert told.cut == [(CROWD, 6)]
    assert len(crowd.connections) == 4
    assert told.lines == ["closed 6 connections above the share of an address, from 192.0.2.7"]


def test_few_sockets_are_not_counted(crowd: Crowd) -> None:
    """The guard queries connections only if the machine has more sockets than the share."""
    told = Told(bytes_per_second=0, of_one=20)
    told.guard.poll()
    assert crowd.counts == 0
    crowd.sockets = None
    told.guard.poll()
    assert crowd.counts == 1


def test_an_attack_is_said_now_and_then(crowd: Crowd) -> None:
    """While an attack lasts, a line every ten seconds has the number of closed connections."""
    told = Told(bytes_per_second=0, of_one=4)
    for look in range(1, 13):
        peer = f"198.51.100.{look}"
        fresh = (Connection(one, one, peer, 1, 0) for one in range(look * 100, look * 100 + 10))
        crowd.connections.extend(fresh)
        told.guard.poll()
    assert len(told.cut) == 12
    assert len(told.lines) == 2
    assert told.lines[1].startswith("closed 60 connections above the share of an address, from ")
    assert told.lines[1].endswith(" and 5 more")
