"""The waiting room of requests, in which the tenants take turns."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """A request that a worker has taken; the worker passes it to `WaitingRoom.done` at the end."""

    tenant: str
    item: T


class WaitingRoom(Generic[T]):
    """A queue with `places` for the requests of all tenants.

    A worker first takes a request of a tenant that has no worker; otherwise the tenants take turns.
    If all places are taken, the newest request of the tenant with the most waiting requests gives
    its place to a tenant that has at least two fewer waiting requests.
    """

    def __init__(self, places: int, workers: int) -> None:
        self._places, self._workers = places, workers
        self._changed = threading.Condition()
        # The tenants are in the order of their turns.
        self._waiting: dict[str, deque[T]] = {}
        self._busy: Counter[str] = Counter()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Return the number of requests that wait."""
        with self._changed:
            return self._count()

    @property
    def busy(self) -> int:
        """Return the number of requests that workers have taken."""
        with self._changed:
            return self._busy.total()

    def put(self, tenant: str, item: T) -> T | None:
        """Add a request; return the request that then has no place, or `None`.

        The returned request may be the added one.
        """
        with self._changed:
            left_out = None
            # Idle workers take requests immediately, so they count as additional places.
            free = self._workers - self._busy.total()
            if self._count() >= self._places + max(0, free):
                longest = max(self._waiting.values(), key=len, default=deque[T]())
                if len(longest) <= len(self._waiting.get(tenant, ())) + 1:
                    return item
                left_out = longest.pop()
            self._waiting.setdefault(tenant, deque()).append(item)
            self._changed.notify()
            return left_out

    def take(self) -> Turn[T] | None:
        """Wait for a request and return it; return `None` if the room is closed and empty."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            return self._next()

    def done(self, turn: Turn[T]) -> None:
        """Report that a worker has completed a request."""
        with self._changed:
            self._busy[turn.tenant] -= 1
            if not self._busy[turn.tenant]:
                del self._busy[turn.tenant]

    def send_away(self, too_long: Callable[[T], bool]) -> list[T]:
        """Remove and return the requests for which `too_long` returns true."""
        with self._changed:
            gone = [one for line in self._waiting.values() for one in line if too_long(one)]
            lines = {
                tenant: deque(one for one in line if not too_long(one))
                for tenant, line in self._waiting.items()
            }
            self._waiting = {tenant: line for tenant, line in lines.items() if line}
            return gone

    def close(self) -> None:
        """Close the room: `take` returns `None` once the room is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _count(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _next(self) -> Turn[T]:
        idle = (tenant for tenant in self._waiting if not self._busy[tenant])
        tenant = next(idle, next(iter(self._waiting)))
        line = self._waiting.pop(tenant)
        item = line.popleft()
        if line:
            # The tenant goes to the end, behind all other tenants.
            self._waiting[tenant] = line
        self._busy[tenant] += 1
        return Turn(tenant, item)
