"""Announced bodies: nginx reports the bodies of a connection, which the kernel cannot see."""

from __future__ import annotations

import pytest

from socket_guard.announced import UNKNOWN
from socket_guard.connections import Connection
from socket_guard.floor import BodyFloor

RATE, WINDOW, STEP, PORT = 500, 30.0, 5.0, 4711
HOUR = 3600.0


class Client:
    """A simulated connection. Every five seconds the server sends and the guard checks."""

    def __init__(self) -> None:
        self.floor = BodyFloor(RATE, WINDOW)
        self.received, self.sent, self.now = 1000, 0, 100.0

    def send(self, per_step: int, bodies: dict[str, int], seconds: float) -> float | None:
        """Receive bytes in each step; return the seconds until the cut, or None without a cut."""
        for step in range(int(seconds / STEP)):
            self.received += per_step
            self.sent += 39
            self.now += STEP
            connection = Connection(1, 1, "192.0.2.1", self.received, self.sent)
            connection.port = PORT
            if self.floor.too_slow([connection], self.now, {("192.0.2.1", PORT): bodies}):
                return step * STEP
        return None


@pytest.mark.parametrize("length", [10**6, UNKNOWN])
def test_answers_meanwhile_keep_no_slow_body(length: int) -> None:
    """A body below the floor is cut after a window, even if the server sends in each step."""
    assert Client().send(39, {"a": length}, 100) == WINDOW


@pytest.mark.parametrize(("bodies", "cut"), [(1, None), (2, WINDOW), (100, WINDOW)])
def test_each_body_has_to_bring_the_floor(bodies: int, cut: float | None) -> None:
    """Each body must reach the floor: a rate that is enough for one body is too low for two."""
    found = {str(number): 10**9 for number in range(bodies)}
    assert Client().send(int(RATE * STEP * 1.5), found, 100) == cut


def test_connections_without_a_body_are_left_alone() -> None:
    """A client that sends PINGs for an hour without a body is not cut."""
    assert Client().send(39, {}, HOUR) is None


def test_a_client_that_waits_for_its_answer_is_left_alone() -> None:
    """A client that has sent its whole body may send PINGs while it waits for the response."""
    client = Client()
    assert client.send(20_000, {"a": 100_000}, 25) is None
    assert client.send(39, {"a": 100_000}, HOUR - 200) is None


def test_what_may_be_complete_has_an_end() -> None:
    """A connection whose bodies may be complete is cut after the longest time of a response."""
    client = Client()
    assert client.send(20_000, {"a": 100_000}, 25) is None
    cut = client.send(39, {"a": 100_000}, 2 * HOUR)
    assert cut is not None
    assert cut < HOUR + 100_000 / RATE + 2 * WINDOW


def test_bytes_of_one_body_complete_no_other() -> None:
    """Bytes of one body do not count for the other bodies of the connection."""
    client = Client()
    bodies = {str(number): 100_000 for number in range(100)}
    assert client.send(25_000, bodies, 20) is None
    assert client.send(39, bodies, 100) is not None


def test_a_new_body_has_its_time() -> None:
    """The rate of a body that begins later counts from the beginning of the body."""
    client = Client()
    assert client.send(int(RATE * STEP), {"a": 10**9}, 60) is None
    assert client.send(int(2 * RATE * STEP), {"a": 10**9, "b": 10**9}, 60) is None


def test_nothing_is_remembered_of_bodies_that_ended() -> None:
    """Small files with pauses between the files are not cut."""
    client = Client()
    for number in range(10):
        assert client.send(20_000, {str(number): 100_000}, STEP) is None
        assert client.send(0, {}, 60) is None
