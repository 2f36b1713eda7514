"""The room of a lane: if other tenants are busy, a tenant without jobs under way finds a place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wharf_upload.domain.jobs import Lane, Waits
from wharf_upload.jobs.lane_room import LaneRoom

_TENANTS = 5
# A tenant, the part of its share, and its jobs that are due, or that end if the number is negative.
_STEPS = st.lists(
    st.tuples(st.integers(0, _TENANTS - 1), st.integers(0, 9), st.integers(-8, 8)), max_size=80
)


@dataclass
class _Taken:
    """A lane whose jobs are taken and end."""

    lane: Lane
    jobs: Counter[str] = field(default_factory=Counter)

    def of_tenant(self, tenant: int) -> int:
        """Return how many jobs of a tenant are taken."""
        return sum(number for share, number in self.jobs.items() if share[0] == str(tenant))

    @property
    def room(self) -> LaneRoom:
        """Return the room that is left."""
        return LaneRoom(self.lane, self.jobs)

    def step(self, tenant: int, part: int, number: int) -> int:
        """Take as many jobs as have room, or end some; return how many were taken."""
        share = f"{tenant}/{part}"
        if number < 0:
            self.jobs[share] = max(0, self.jobs[share] + number)
            return 0
        more = min(number, self.room.of(share))
        self.jobs[share] += more
        return more


def _lane(at_once: int, window: int = 4) -> Lane:
    return Lane(
        name="test", lease_seconds=9, window=window, at_once=at_once, tries=1, waits=Waits(0.0)
    )


@settings(max_examples=300, deadline=None)
@given(_STEPS, st.integers(1, 40), st.integers(1, 40))
def test_each_step(steps: list[tuple[int, int, int]], at_once: int, window: int) -> None:
    """A tenant's further jobs leave as many places as it has; its first job takes any place."""
    taken = _Taken(_lane(at_once, window))
    for tenant, part, number in steps:
        free, before = taken.room.free, taken.of_tenant(tenant)
        more = taken.step(tenant, part, number)
        after = taken.of_tenant(tenant)
        assert taken.jobs[f"{tenant}/{part}"] <= window
        assert taken.room.free >= 0
        if more:
            assert after == 1 or after <= taken.room.free
        if number > 0 and free and not before:
            assert more


@settings(max_examples=300, deadline=None)
@given(_STEPS, st.integers(2**_TENANTS, 80), st.integers(1, 40))
def test_a_newcomer(steps: list[tuple[int, int, int]], at_once: int, window: int) -> None:
    """Five tenants leave a place of a lane with 32 places, after any order of takings and ends."""
    taken = _Taken(_lane(at_once, window))
    for step in steps:
        taken.step(*step)
    assert taken.room.of("newcomer/0") >= 1


@pytest.mark.parametrize("at_once", [1, 2, 8, 32, 64])
@pytest.mark.parametrize("tenants", [1, 2, 3, 7])
def test_equal_parts(tenants: int, at_once: int) -> None:
    """Tenants that always have more jobs come to equal parts, and leave one part free."""
    taken = _Taken(_lane(at_once, window=at_once))
    for turn in range(4 * at_once):
        taken.step(turn % tenants, 0, -1)
        for tenant in range(tenants):
            taken.step(tenant, 0, at_once)
    parts = [taken.of_tenant(tenant) for tenant in range(tenants)]
    assert max(parts) <= max(1, at_once // (tenants + 1) + 1)
    if tenants < at_once:
        assert min(parts) >= max(1, at_once // (tenants + 1) - 1)
