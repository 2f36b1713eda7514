"""The queue of requests for small pictures, in which tenants take turns for a worker."""

from __future__ import annotations

import threading

from wharf_images.waiting_room import Turn, WaitingRoom


def filled(places: int, *tenants: str) -> WaitingRoom[str]:
    """Return a queue with these requests. Its only worker serves another tenant."""
    room = WaitingRoom[str](places, 1)
    room.put("first", "first")
    assert room.take() == Turn("first", "first")
    for number, tenant in enumerate(tenants):
        room.put(tenant, f"{tenant}{number}")
    return room


def order(room: WaitingRoom[str]) -> list[str]:
    """Return the waiting requests in the order in which a single worker takes them."""
    found = []
    while room.waiting:
        turn = room.take()
        assert turn is not None
        found.append(turn.item)
        room.done(turn)
    return found


def test_tenants_take_turns() -> None:
    """Tenants take turns with one request each, however many requests a tenant has."""
    room = filled(9, "a", "a", "a", "b", "c", "b")
    assert order(room) == ["a0", "b3", "c4", "a1", "b5", "a2"]


def test_a_tenant_has_one_worker_while_others_wait() -> None:
    """A second worker serves another tenant, or the same tenant if no other tenant waits."""
    room = WaitingRoom[str](9, 2)
    for tenant in ("a", "a", "a", "b"):
        room.put(tenant, tenant)
    assert [room.take(), room.take()] == [Turn("a", "a"), Turn("b", "b")]
    room.done(Turn("b", "b"))
    assert room.take() == Turn("a", "a")
    assert (room.busy, room.waiting) == (2, 1)


def test_a_full_room_sends_away_who_came_last() -> None:
    """In a full queue the tenant with the most requests loses its last request to a new tenant."""
    room = filled(3, "a", "a", "a")
    assert room.put("a", "one too many") == "one too many"
    assert room.put("b", "b") == "a2"
    assert room.put("c", "c") == "a1"
    assert room.put("d", "d") == "d"
    assert order(room) == ["a0", "b", "c"]


def test_a_worker_that_is_free_needs_no_place() -> None:
    """A request is accepted without a place in the queue if a worker is free."""
    room = WaitingRoom[str](0, 2)
    assert room.put("a", "1") is None
    assert room.put("a", "2") is None
    assert room.put("a", "3") == "3"


def test_a_closed_room_is_emptied_first() -> None:
    """After the queue is closed, the waiting requests are still served, and then workers end."""
    room = filled(3, "a")
    room.close()
    assert order(room) == ["a0"]
    assert room.take() is None


def test_a_worker_that_waits_is_woken() -> None:
    """A request, and the closing of the queue, wake a worker that waits."""
    room, taken = WaitingRoom[str](1, 1), list[Turn[str] | None]()

    def work() -> None:
        while (turn := room.take()) is not None:
            taken.append(turn)
            room.done(turn)

    thread = threading.Thread(target=work)
    thread.start()
    room.put("a", "1")
    room.close()
    thread.join(10)
    assert taken == [Turn("a", "1")]


def test_who_has_waited_too_long_is_sent_away() -> None:
    """Requests that have waited too long are removed, and other requests keep their turns."""
    room = filled(9, "a", "b", "a", "b", "c")
    assert room.send_away(lambda item: item in {"a0", "c4"}) == ["a0", "c4"]
    assert order(room) == ["a2", "b1", "b3"]
    assert room.send_away(lambda _: True) == []
