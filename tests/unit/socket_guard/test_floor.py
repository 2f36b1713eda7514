"""The floor, which is the minimum rate of a body, and the connections that are too slow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from socket_guard.connections import Connection
from socket_guard.floor import BodyFloor

RATE, WINDOW = 500, 30
STEP = 5


def cut_at(history: list[tuple[int, int]], cookie: int = 7) -> list[int]:
    """Return the checks at which a connection is too slow, by its received and sent bytes."""
    floor = BodyFloor(RATE, WINDOW)
    found = []
    for look, (received, sent) in enumerate(history):
        connection = Connection(cookie, 1, "127.0.0.1", received, sent)
        if floor.too_slow([connection], look * STEP):
            found.append(look)
    return found


def test_one_byte_at_a_time_is_cut_after_the_window() -> None:
    """A body of one byte in each check is cut after a whole window, not earlier."""
    assert cut_at([(look, 0) for look in range(9)]) == [7]


def test_a_byte_before_each_pause_is_over_is_cut() -> None:
    """A body of one byte every 20 s, as slow as nginx allows, is cut."""
    cuts = cut_at([(look // 4, 0) for look in range(20)])
    assert cuts
    assert cuts[0] <= 12


def test_a_fast_start_does_not_buy_time_for_ever() -> None:
    """A fast beginning protects a slow body only for the duration of the window."""
    assert cut_at([(0, 0), *[(1_000_000 + look, 0) for look in range(12)]]) == [7]


def test_an_idle_connection_is_never_cut() -> None:
    """An idle connection between two requests is never cut."""
    assert cut_at([(900, 4000)] * 50) == []


def test_a_request_after_a_long_silence_is_no_slow_one() -> None:
    """The rate of a request after a long silence counts from the request's beginning."""
    assert cut_at([(0, 0)] * 20 + [(300, 0)] * 3 + [(300, 5000)] * 20 + [(600, 5000)]) == []


def test_small_requests_that_are_answered_are_never_cut() -> None:
    """A connection with small requests that get responses is never cut."""
    assert cut_at([(100 * look, 300 * look) for look in range(40)]) == []


def test_a_slow_download_is_never_cut() -> None:
    """A slow download is never cut."""
    assert cut_at([(400, look) for look in range(40)]) == []


def test_a_long_wait_for_an_answer_is_not_cut() -> None:
    """A connection is not cut while the service computes the response to a complete body."""
    body = [(1_000_000 * look, 0) for look in range(4)]
    assert cut_at(body + [(3_000_000, 0)] * 100) == []


def test_a_body_that_ends_just_above_the_floor_is_not_cut_while_it_is_worked_on() -> None:
    """Silence after the last byte does not lower the average rate of a body above the floor."""
    body = [(600 * STEP * look, 0) for look in range(20)]
    assert cut_at(body + [(600 * STEP * 19, 0)] * 100) == []


def test_what_was_cut_and_is_still_there_is_named_again() -> None:
    """If a connection is still open after its cut, it is reported again."""
    assert len(cut_at([(look, 0) for look in range(30)])) == 3


def test_connections_are_told_apart() -> None:
    """Of two concurrent connections only the slow connection is cut."""
    floor = BodyFloor(RATE, WINDOW)
    found = []
    for look in range(9):
        slow = Connection(1, 1, "127.0.0.1", look, 0)
        fast = Connection(2, 2, "127.0.0.1", look * 600 * STEP, 0)
        found += floor.too_slow([slow, fast], look * STEP)
    assert [connection.cookie for connection in found] == [1]


@given(
    st.lists(st.integers(0, 2 * RATE), min_size=1, max_size=12),
    st.lists(st.floats(0.1, 20), min_size=20, max_size=80),
)
def test_a_steady_body_above_the_floor_is_never_cut(extra: list[int], gaps: list[float]) -> None:
    """A body at or above the floor is never cut, with any times between the checks."""
    floor = BodyFloor(RATE, WINDOW)
    now, received = 0.0, 0
    for look, gap in enumerate(gaps):
        now += gap
        received += int(gap * (RATE + extra[look % len(extra)])) + 1
        assert floor.too_slow([Connection(1, 1, "::1", received, 0)], now) == []
