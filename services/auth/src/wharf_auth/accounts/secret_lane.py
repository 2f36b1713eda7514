"""The lane of secrets: few are hashed at a time, few more wait, in a fair order (ADR 63).

Each way that a secret comes passes it: HTTP Basic, a form, introspection, revocation, a login, a
change of password, a new user or client.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from servicekit.limit_counts import refusals
from servicekit.networks import network_of
from servicekit.problems import RATE_LIMITED, ProblemError
from wharf_auth.domain.acts import Actor

#: Those whose secret is hashed and those who wait, together. uWSGI's threads are four more
#: (uwsgi.ini): requests without a secret, and refusals, always find one.
PLACES = 20
WAIT_SECONDS = 5.0
#: The name of the limit in refusals and metrics.
POLICY = "secrets-share"


class HashingBusy(Exception):
    """Too many secrets are being verified already."""


@dataclass(frozen=True, slots=True)
class Asker:
    """The sender of a secret: the network of its address, and the account that it names or is."""

    network: str = ""
    account: str = ""

    @staticmethod
    def at(address: str, account: str) -> Asker:
        """The asker at this address."""
        return Asker(network_of(address), account)

    @staticmethod
    def acting(by: Actor) -> Asker:
        """The asker of an act that makes a secret."""
        return Asker.at(by.address, by.id) if by.address else NOBODY


NOBODY = Asker()


@dataclass(eq=False, slots=True)
class _Place:
    """One request in the lane.

    `turn` is when its network has one more turn, `own_turn` when its account has one of these.
    """

    asker: Asker
    turn: int
    own_turn: int
    called: threading.Event = field(default_factory=threading.Event)
    gives_way: bool = False


class SecretLane:
    """Gives turns. Networks take turns with each other, whatever number of requests each has.

    So do the accounts of a network: behind a proxy all clients have the same one.

    When all places are taken, a newcomer gets the place of the network, or of the account, that has
    the most, unless it has as many itself.
    """

    def __init__(
        self, at_once: int = 1, places: int = PLACES, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        # Each that runs takes a place, and one is left for a newcomer. With more places than there
        # are threads requests would wait in front of the lane, where nobody takes turns.
        self._at_once, self._places = min(at_once, places - 1), places
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._running: list[_Place] = []
        self._waiting: list[_Place] = []
        self._now = 0

    @contextmanager
    def turn(self, asker: Asker) -> Iterator[None]:
        """Waits for a turn, and has it while the block runs.

        Raises `HashingBusy` when no turn came in time, `quota-exceeded` when the places are taken
        by this very network or account.
        """
        place = self._enter(asker)
        try:
            self._await(place)
            yield
        finally:
            self._leave(place)

    def _enter(self, asker: Asker) -> _Place:
        with self._lock:
            everybody = [*self._running, *self._waiting]
            if len(everybody) >= self._places:
                self._make_room(asker, everybody)
            place = self._place(asker)
            self._waiting.append(place)
            self._call()
            return place

    def _place(self, asker: Asker) -> _Place:
        peers = [
            one for one in (*self._running, *self._waiting) if one.asker.network == asker.network
        ]
        # A newcomer's account comes no earlier than the one that is next.
        next_turn = min((one.own_turn for one in peers if one in self._waiting), default=1)
        own_turns = [one.own_turn for one in peers if one.asker == asker]
        return _Place(
            asker,
            turn=max([self._now, *(one.turn for one in peers)]) + 1,
            own_turn=max([next_turn - 1, *own_turns]) + 1,
        )

    def _make_room(self, asker: Asker, everybody: list[_Place]) -> None:
        networks = Counter(one.asker.network for one in everybody)
        accounts = Counter(one.asker.account for one in everybody)
        askers = Counter(one.asker for one in everybody)
        network, account = networks[asker.network], accounts[asker.account]

        def most(one: _Place) -> tuple[int, int]:
            """Order those who may give way: by network, and in a network that is no larger than the
            newcomer's, or is the same, by account. So nobody gives way to a network that has more.
            """
            if one.asker.network == asker.network:
                of_asker = askers[one.asker]
                return (network, of_asker) if of_asker > askers[asker] + 1 else (0, 0)
            of_network, of_account = networks[one.asker.network], accounts[one.asker.account]
            if of_network > network + 1:
                return of_network, of_account
            if of_network == network + 1 and of_account > account + 1:
                return of_network, of_account
            return 0, 0

        # Of those who have the most, the last to come.
        last = max(reversed(self._waiting), key=most)
        if most(last) > (0, 0):
            last.gives_way = True
            self._waiting.remove(last)
            last.called.set()
        elif max(network, account) > 1:
            raise share_taken()
        else:
            raise HashingBusy("too many secrets are being verified")

    def _call(self) -> None:
        """Call those whose turn it is; the lock is held."""
        while self._waiting and len(self._running) < self._at_once:
            # The first to come of those with the same turn; its network has it, and gives it to the
            # account that is next there.
            first = min(self._waiting, key=lambda one: one.turn)
            peers = [one for one in self._waiting if one.asker.network == first.asker.network]
            place = min(peers, key=lambda one: one.own_turn)
            place.turn, first.turn = first.turn, place.turn
            self._waiting.remove(place)
            self._running.append(place)
            self._now = max(self._now, place.turn)
            place.called.set()

    def _await(self, place: _Place) -> None:
        in_time = place.called.wait(self._wait_seconds)
        if place.gives_way:
            raise share_taken()
        if not in_time:
            raise HashingBusy("no turn came in time")

    def _leave(self, place: _Place) -> None:
        with self._lock:
            for kind in (self._running, self._waiting):
                if place in kind:
                    kind.remove(place)
            self._call()


def share_taken() -> ProblemError:
    """The refusal of an address or account that has the most places of all."""
    refusals.note(((POLICY,), 1))
    return RATE_LIMITED(
        "Too many secrets of this address or account wait to be verified. Try again in a second.",
        headers=(("Retry-After", "1"),),
        retry_after=1,
        violated_policies=[POLICY],
    )
