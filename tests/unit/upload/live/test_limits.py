"""Tests of the limits on a client's messages and connections."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.problems import RATE_LIMITED, UNAVAILABLE, ProblemError
from servicekit.tokens import Principal
from wharf_upload.live.limits import MOST_REFUSED, MessageRate, Seats, Verdict


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    pauses=st.lists(st.floats(0, 2), max_size=200),
    per_second=st.integers(1, 20),
)
def test_no_more_messages_than_allowed(pauses: list[float], per_second: int) -> None:
    """A client may send no more messages than the rate allows, plus one second's burst."""
    clock = Clock()
    rate = MessageRate(per_second, clock)
    taken = 0
    for pause in pauses:
        clock.now += pause
        taken += rate.take() is Verdict.TAKE
    assert taken <= per_second * (clock.now + 1) + 1e-6


def test_a_client_that_keeps_to_the_limit_is_never_refused() -> None:
    """A client that sends just under ten messages a second is never refused."""
    clock = Clock()
    rate = MessageRate(10, clock)
    for _ in range(1000):
        assert rate.take() is Verdict.TAKE
        clock.now += 0.1001


def test_who_goes_on_is_cut() -> None:
    """A client that continues after many refusals is cut off; a client that pauses is not."""
    clock = Clock()
    flood = MessageRate(10, clock)
    verdicts = [flood.take() for _ in range(10 + MOST_REFUSED + 1)]
    assert Counter(verdicts) == {Verdict.TAKE: 10, Verdict.REFUSE: MOST_REFUSED, Verdict.CUT: 1}
    patient = MessageRate(10, clock)
    for _ in range(20):
        assert Verdict.CUT not in {patient.take() for _ in range(30)}
        clock.now += 3


def somebody(tenant: int, subject: int) -> Principal:
    """Return a principal of a tenant."""
    return Principal(
        tenant=f"t{tenant}",
        subject=f"s{subject}",
        scopes=frozenset(),
        token_id="t",
        expires_at=1,
    )


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 2)), max_size=60),
)
def test_seats(steps: list[tuple[bool, int, int]]) -> None:
    """No limit on connections is ever exceeded, and a refused connection uses no seat."""
    seats = Seats(per_subject=2, per_tenant=3, total=5)
    seated: Counter[tuple[int, int]] = Counter()
    for comes, tenant, subject in steps:
        who = somebody(tenant, subject)
        if not comes:
            if seated[tenant, subject]:
                seats.give_back(who)
                seated[tenant, subject] -= 1
            continue
        of_tenant = sum(count for (name, _), count in seated.items() if name == tenant)
        full = seated.total() >= 5
        is_free = not full and seated[tenant, subject] < 2 and of_tenant < 3
        if is_free:
            seats.take(who)
            seated[tenant, subject] += 1
        else:
            with pytest.raises(ProblemError) as caught:
                seats.take(who)
            assert caught.value.problem is (UNAVAILABLE if full else RATE_LIMITED)
        assert seats.total == seated.total()
