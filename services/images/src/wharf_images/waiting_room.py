"""Where requests wait for a worker: tenants take turns, so one cannot keep the others waiting."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """What a worker has taken; `WaitingRoom.done` gives it back."""

    tenant: str
    item: T


class WaitingRoom(Generic[T]):
    """A queue of `places` for each tenant's requests, in one.

    While others wait, a tenant has one worker at most. Where the room is full, the tenant with most
    requests in it gives way to one that has fewer.
    """

    def __init__(self, places: int, workers: int) -> None:
        self._places, self._workers = places, workers
        self._changed = threading.Condition()
        # In order of their turns.
        self._waiting: dict[str, deque[T]] = {}
        self._busy: Counter[str] = Counter()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        with self._changed:
            return self._count()

    @property
    def busy(self) -> int:
        """How many are being worked on."""
        with self._changed:
            return self._busy.total()

    def put(self, tenant: str, item: T) -> T | None:
        """Let a request wait; return the one that has no place then, which may be itself."""
        with self._changed:
            left_out = None
            # A worker that is free takes it at once.
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
        """Wait for a request; return `None` when there will be no more."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            return self._next()

    def done(self, turn: Turn[T]) -> None:
        """Say that a request is answered."""
        with self._changed:
            self._busy[turn.tenant] -= 1
            if not self._busy[turn.tenant]:
                del self._busy[turn.tenant]

    def send_away(self, too_long: Callable[[T], bool]) -> list[T]:
        """Return the requests of which this is true; they wait no more."""
        with self._changed:
            gone = [one for line in self._waiting.values() for one in line if too_long(one)]
            lines = {
                tenant: deque(one for one in line if not too_long(one))
                for tenant, line in self._waiting.items()
            }
            self._waiting = {tenant: line for tenant, line in lines.items() if line}
            return gone

    def close(self) -> None:
        """Let `take` return `None` when the room is empty."""
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
            # To the end: the others come first.
            self._waiting[tenant] = line
        self._busy[tenant] += 1
        return Turn(tenant, item)
