"""The lane of secrets: it limits how many secrets are hashed or wait, in a fair order (ADR 63).

Every request with a secret passes the lane: HTTP Basic, a form, introspection, revocation, a login,
a change of password, a new user or client.
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

#: The most requests in the lane: those that have a turn, and those that wait. uWSGI has four more
#: threads (uwsgi.ini), so requests without a secret, and refusals, always find a thread.
PLACES = 20
WAIT_SECONDS = 5.0
#: The name of the limit in refusals and metrics.
POLICY = "secrets-share"


class HashingBusy(Exception):
    """Too many secrets wait to be hashed, or a secret has waited too long."""


@dataclass(frozen=True, slots=True)
class Asker:
    """The sender of a secret: the network of its address, and the account of the secret."""

    network: str = ""
    account: str = ""

    @staticmethod
    def at(address: str, account: str) -> Asker:
        """Return the asker at this IP address for this account."""
        return Asker(network_of(address), account)

    @staticmethod
    def acting(by: Actor) -> Asker:
        """Return the asker for an actor that creates a secret."""
        return Asker.at(by.address, by.id) if by.address else NOBODY


NOBODY = Asker()


@dataclass(eq=False, slots=True)
class _Place:
    """One request in the lane.

    `turn` is its position in the order of networks. `own_turn` is its position in the order of the
    accounts of its network. The lowest number is next.
    """

    asker: Asker
    turn: int
    own_turn: int
    called: threading.Event = field(default_factory=threading.Event)
    gives_way: bool = False


class SecretLane:
    """A queue of requests with secrets, which hashes a few secrets at a time.

    Networks take turns, independent of the number of their requests. Within a network, accounts
    take turns, since all clients behind one proxy have the same network.

    When all places are taken, a new request displaces a waiting request of the network, or of the
    account, that has the most requests. If no network and no account has at least two requests
    more than that of the new request, the new request is refused.
    """

    def __init__(
        self, at_once: int = 1, places: int = PLACES, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        # A request occupies a place while its secret is hashed, and one place stays for a new
        # request. With more places than threads, requests would wait for a thread, in an order that
        # is not fair.
        self._at_once, self._places = min(at_once, places - 1), places
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._running: list[_Place] = []
        self._waiting: list[_Place] = []
        self._now = 0

    @contextmanager
    def turn(self, asker: Asker) -> Iterator[None]:
        """Wait for a turn; the block runs during the turn.

        Raise `HashingBusy` if no turn comes within `wait_seconds`. If all places are taken and this
        request displaces no other, raise the problem `quota-exceeded` when this network or account
        already has more than one place, otherwise `HashingBusy`. Raise `quota-exceeded` also if a
        later request displaces this request.
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
        # A new account must not come before the account that is next.
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
            """Return the priority for displacing a waiting request; (0, 0) if it must stay.

            A request of the network with the most requests has the highest priority. Accounts
            decide within the new request's network, and in a network with only one request more. So
            no request is displaced for a network that has more requests.
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

        # The latest of the requests with the highest priority is displaced.
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
        """Start the next requests; the caller has the lock."""
        while self._waiting and len(self._running) < self._at_once:
            # `min` finds the earliest request with the lowest turn. The turn belongs to its
            # network: the account that is next in this network gets it.
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
            raise HashingBusy("the wait for a turn took too long")

    def _leave(self, place: _Place) -> None:
        with self._lock:
            for kind in (self._running, self._waiting):
                if place in kind:
                    kind.remove(place)
            self._call()


def share_taken() -> ProblemError:
    """Count a refusal; return its problem, for a network or account that has too many places."""
    refusals.note(((POLICY,), 1))
    return RATE_LIMITED(
        "Too many secrets of this address or account wait to be verified. Try again in a second.",
        headers=(("Retry-After", "1"),),
        retry_after=1,
        violated_policies=[POLICY],
    )
