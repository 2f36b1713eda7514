"""How many more jobs of a lane may be taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from wharf_upload.domain.jobs import Lane


class LaneRoom:
    """The room of a lane, of its shares, and of tenants; `free` is the room of the lane.

    A tenant whose shares are named `tenant/part` has many shares, so their windows together may
    exceed the lane. It gets at most half the lane, so that a job of another tenant finds room.
    Other shares have a window only.
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
        half = max(1, self._lane.at_once // 2)
        return half - self._tenants[tenant] if tenant else self.free


def _tenant(share: str) -> str:
    """Return the tenant of a share, empty if the share is not a part of a tenant."""
    return share.rpartition("/")[0]
