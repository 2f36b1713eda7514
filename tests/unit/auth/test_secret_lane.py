"""Turns and refusals in the lane of secrets."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from servicekit.problems import RATE_LIMITED, ProblemError
from wharf_auth.accounts.secret_lane import (
    PLACES,
    POLICY,
    Asker,
    HashingBusy,
    SecretLane,
    share_taken,
)

ROOT = Path(__file__).parents[3]
ATTACKER, OTHER, THIRD = (f"192.0.2.{number}" for number in (1, 2, 3))


class Crowd:
    """Requests in a lane that runs one at a time; the first request runs until `end` is called."""

    def __init__(self, places: int) -> None:
        self.lane = SecretLane(places=places, wait_seconds=30)
        self.served: list[str] = []
        self.refused: list[str] = []
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()
        self.come("first", "198.51.100.1", "first")

    def come(self, name: str, address: str, account: str) -> None:
        """Start a request, and return when it has a place or was refused."""

        def work() -> None:
            try:
                with self.lane.turn(Asker.at(address, account)):
                    self.served.append(name)
                    self._ended.wait(30)
            except (HashingBusy, ProblemError) as error:
                self.refused.append(f"{name} {type(error).__name__}")

        seen = len(self.refused) + self.inside
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()
        self._await(lambda: len(self.refused) + self.inside > seen)

    @property
    def inside(self) -> int:
        """Return the number of requests that have a place."""
        return len(self.lane._running) + len(self.lane._waiting)

    def end(self) -> None:
        """End the first request, so that all waiting requests get their turns."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @staticmethod
    def _await(condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < until
            time.sleep(0.001)


@contextmanager
def crowd(places: int) -> Iterator[Crowd]:
    made = Crowd(places)
    try:
        yield made
    finally:
        made.end()


def test_networks_take_turns() -> None:
    """Networks take turns, so a second network waits for only one request of the first network."""
    with crowd(places=20) as found:
        for number in range(10):
            found.come(f"attacker {number}", ATTACKER, f"account {number}")
        found.come("other", OTHER, "other")
        found.come("other again", OTHER, "other")
        found.end()
    assert found.served[:5] == ["first", "attacker 0", "other", "attacker 1", "other again"]
    assert len(found.served) == 13
    assert not found.refused


def test_addresses_of_one_host_are_one() -> None:
    """All IPv6 addresses of one /64 count as one network, which has one turn at a time."""
    with crowd(places=20) as found:
        for number in range(5):
            found.come(f"attacker {number}", f"2001:db8::{number}", "account")
        found.come("other", "2001:db8:0:1::1", "other")
        found.end()
    assert found.served.index("other") == 2


def test_accounts_of_one_network_take_turns() -> None:
    """Accounts of one network take turns, so one account cannot delay all others behind a proxy."""
    with crowd(places=20) as found:
        for number in range(10):
            found.come(f"attacker {number}", ATTACKER, "account")
        found.come("other", ATTACKER, "other")
        found.come("third", ATTACKER, "third")
        found.come("other again", ATTACKER, "other")
        found.end()
    order = ["first", "attacker 0", "other", "third", "attacker 1", "other again"]
    assert found.served[:6] == order
    assert len(found.served) == 14


def test_a_lane_full_of_one_account_takes_another_of_its_network() -> None:
    """If accounts of one network fill a lane, the account with the most places loses one place to
    another account.
    """
    with crowd(places=6) as found:
        for number in range(5):
            found.come(f"attacker {number}", ATTACKER, "account")
        found.come("other", ATTACKER, "other")
        found.come("attacker", ATTACKER, "account")
        assert found.refused == ["attacker 4 ProblemError", "attacker ProblemError"]
        found.end()
    assert "other" in found.served


def test_a_full_lane_takes_a_newcomer() -> None:
    """In a full lane the network with the most places loses its last place to a new network."""
    with crowd(places=6) as found:
        for number in range(5):
            found.come(f"attacker {number}", ATTACKER, f"account {number}")
        found.come("other", OTHER, "other")
        found.come("third", THIRD, "third")
        assert found.refused == ["attacker 4 ProblemError", "attacker 3 ProblemError"]
        found.end()
    assert set(found.served) >= {"other", "third"}


def test_many_addresses_with_one_account() -> None:
    """In a full lane the account with the most places loses one place to a login of another
    account.
    """
    with crowd(places=6) as found:
        for number in range(5):
            found.come(f"attacker {number}", f"203.0.113.{number}", "account")
        found.come("other", OTHER, "other")
        assert found.refused == ["attacker 4 ProblemError"]
        found.end()
    assert "other" in found.served


def test_nobody_gives_way_to_a_network_that_has_more() -> None:
    """A network that fills the lane with one account gains no place with another account."""
    with crowd(places=6) as found:
        for number in range(4):
            found.come(f"attacker {number}", ATTACKER, "account")
        found.come("owner", OTHER, "account")
        found.come("attacker", ATTACKER, "another account")
        assert found.refused == ["attacker 3 ProblemError"]
        found.end()
    assert "owner" in found.served


def test_who_has_the_most_is_refused() -> None:
    """When one address has all places, each further request from this address gets 429 without
    waiting.
    """
    with crowd(places=6) as found:
        for number in range(20):
            found.come(f"attacker {number}", ATTACKER, "account")
        assert len(found.refused) == 15
        found.end()
    assert len(found.served) == 6


def test_the_refusal_says_when_to_come_again() -> None:
    """A refused secret gets the problem of rate limits, with `Retry-After` and the limit's name."""
    refusal = share_taken()
    assert refusal.problem == RATE_LIMITED
    assert dict(refusal.headers)["Retry-After"] == "1"
    assert refusal.members["violated_policies"] == [POLICY]


def test_all_different_and_full() -> None:
    """In a full lane where no account has two places a new request is refused as busy."""
    with crowd(places=4) as found:
        for number in range(3):
            found.come(f"{number}", f"203.0.113.{number}", f"account {number}")
        found.come("other", OTHER, "other")
        assert found.refused == ["other HashingBusy"]


def test_a_place_comes_back() -> None:
    """A request releases its place when it succeeds, fails or is refused."""
    lane = SecretLane(places=2, wait_seconds=0.01)
    asker = Asker.at(ATTACKER, "account")
    with lane.turn(asker), pytest.raises(HashingBusy), lane.turn(Asker.at(OTHER, "other")):
        pass
    with pytest.raises(RuntimeError), lane.turn(asker):
        raise RuntimeError
    with lane.turn(asker):
        assert len(lane._running) == 1
        assert not lane._waiting


def test_places_are_no_more_for_many_at_once() -> None:
    """The number of places does not grow with the number of hashes that run at the same time."""
    lane = SecretLane(at_once=64, wait_seconds=0.01)
    with ExitStack() as stack:
        for number in range(PLACES - 1):
            stack.enter_context(lane.turn(Asker.at(ATTACKER, f"account {number}")))
        with pytest.raises(HashingBusy), lane.turn(Asker.at(OTHER, "other")):
            pass
        assert len(lane._running) == PLACES - 1


def test_threads_are_more_than_places() -> None:
    """Requests with a secret leave four threads of each process free for other requests."""
    ini = (ROOT / "services/auth/uwsgi.ini").read_text()
    found = re.search(r"^threads = (\d+)$", ini, re.MULTILINE)
    assert found is not None
    assert int(found[1]) == PLACES + 4
