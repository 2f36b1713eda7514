"""How many more jobs of a lane may be taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from wharf_upload.domain.jobs import Lane


class LaneRoom:
    """The room of a lane, of its shares, and of tenants; `free` is the room of the lane.

    A tenant whose shares are named `tenant/part` has many shares, so their windows together may
    exceed the lane. Such a tenant gets at most as many jobs as places stay free, except for its
    first job: one busy tenant gets half the lane, two get a third each. So a tenant without jobs
    under way finds a place, unless many tenants have become busy shortly before. Other shares have
    a window only.
    """

    def __init__(self, lane: Lane, taken: Mapping[str, int]) -> None:
        self._lane, self.free = lane, lane.at_once
        self._shares: Counter[str] = Counter()
        self._tenants: Counter[str] = Counter()
        for share, number in taken.items():
            self.note(share, number)

    def note(self, share: str, number: int) -> None:
        """Count jobs of a share as taken."""
        self.free -= number
        self._shares[share] += number
        self._tenants[_tenant(share)] += number

    def of(self, share: str, window: int | None = None) -> int:
        """Return how many more jobs of a share may be taken; its own window may be smaller."""
        most = self._lane.window if window is None else min(window, self._lane.window)
        room = min(self.free, most - self._shares[share], self._of_tenant(_tenant(share)))
        return max(0, room)

    def _of_tenant(self, tenant: str) -> int:
        if not tenant:
            return self.free
        taken = self._tenants[tenant]
        return max(0 if taken else 1, (self.free - taken) // 2)


def _tenant(share: str) -> str:
    """Return the tenant of a share, empty if the share is not a part of a tenant."""
    return share.rpartition("/")[0]
