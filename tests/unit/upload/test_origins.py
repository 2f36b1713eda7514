"""Tests of which origins a bucket allows, and of how long the results are cached."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.database import DatabaseUnavailable
from tests.unit.upload.test_links import Clock
from wharf_upload.access.origins import Origins
from wharf_upload.domain.buckets import Bucket, Policy

GOOD = "https://app.example"


class Buckets:
    """The buckets of tenant `acme`, with the origins that they list."""

    def __init__(self, **origins: str) -> None:
        self.origins = {name: tuple(text.split()) for name, text in origins.items()}
        self.asked = 0
        self.away = False

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        self.asked += 1
        if self.away:
            raise DatabaseUnavailable("away")
        if tenant != "acme" or name not in self.origins:
            return None
        policy = Policy(cors_origins=self.origins[name])
        return Bucket(tenant=tenant, name=name, policy=policy, created_at=0)

    def lists_origin(self, origin: str, tenant: str | None = None) -> bool:
        self.asked += 1
        return tenant in (None, "acme") and any(
            {origin, "*"} & {*listed} for listed in self.origins.values()
        )


@pytest.fixture
def buckets() -> Buckets:
    """Return one bucket with an origin, one with `*`, and one without."""
    return Buckets(one=GOOD, any="*", none="")


WRONG = ("null", "", None, "*", GOOD.upper(), GOOD + "/", GOOD + ":443", GOOD + ".evil")
NONE = ("null", "", None, "*", "a b://x", "https://", "https://x y", "https://x\n")


def test_whole_origins(buckets: Buckets) -> None:
    """A listed origin is allowed on an exact match; `*` allows every origin but `null`."""
    origins = Origins(buckets)
    assert origins.allows("acme", "one", GOOD)
    assert not origins.allows("acme", "none", GOOD)
    assert not origins.allows("acme", "absent", GOOD)
    assert origins.allows("acme", "any", "https://whoever.example:8443")
    for wrong in WRONG:
        assert not origins.allows("acme", "one", wrong), wrong
    for wrong in NONE:
        assert not origins.allows("acme", "any", wrong), wrong


@pytest.mark.parametrize("bucket", [None, "one", "none", "absent", "any"])
def test_without_a_caller_no_bucket_is_looked_at(bucket: str | None) -> None:
    """Without a known tenant, an origin that any bucket lists is allowed for every bucket, and each
    origin is asked for once.
    """
    buckets = Buckets(one=GOOD, none="")
    origins = Origins(buckets)
    for name in (bucket, "another"):
        assert origins.allows(None, name, GOOD)
        for wrong in WRONG:
            assert not origins.allows(None, name, wrong), wrong
    assert buckets.asked == 3  # GOOD and two other texts that have the form of an origin.
    buckets = Buckets(any="*")
    for wrong in NONE:
        assert not Origins(buckets).allows(None, bucket, wrong), wrong
    assert Origins(buckets).allows(None, bucket, GOOD)


def test_another_tenant(buckets: Buckets) -> None:
    """An origin is allowed only for buckets of the tenant that lists it."""
    assert not Origins(buckets).allows("other", "one", GOOD)


def test_no_bucket_in_particular() -> None:
    """Without a bucket, an origin that any bucket of the caller's tenant lists is allowed."""
    origins = Origins(Buckets(one=GOOD, none=""))
    assert origins.allows("acme", None, GOOD)
    assert not origins.allows("acme", None, "https://other.example")
    assert not origins.allows("other", None, GOOD)
    assert origins.allows(None, None, GOOD)


@given(st.text(max_size=60))
def test_no_text_but_the_origin_itself(text: str) -> None:
    """No text except the listed origin is allowed."""
    assert Origins(Buckets(one=GOOD)).allows("acme", "one", text) == (text == GOOD)


def test_answers_are_remembered_for_a_moment(buckets: Buckets) -> None:
    """A result is cached for two seconds, after which a change applies."""
    clock = Clock()
    origins = Origins(buckets, clock=clock)
    assert all(origins.allows("acme", "one", GOOD) for _ in range(5))
    assert buckets.asked == 1
    buckets.origins["one"] = ()
    clock.now = 1.9
    assert origins.allows("acme", "one", GOOD)
    clock.now = 2.0
    assert not origins.allows("acme", "one", GOOD)
    clock.now = 3.9
    assert not origins.allows("acme", "one", GOOD)
    assert buckets.asked == 2


def test_an_outage(buckets: Buckets) -> None:
    """While the database is unavailable, cached permissions stay valid, and no other origin is
    allowed.
    """
    clock = Clock()
    origins = Origins(buckets, clock=clock)
    assert origins.allows("acme", "one", GOOD)
    buckets.away, clock.now = True, 100.0
    assert origins.allows("acme", "one", GOOD)
    assert not origins.allows("acme", "any", GOOD)


def test_memory_is_bounded(buckets: Buckets) -> None:
    """The cache is bounded, however many origins ask."""
    origins = Origins(buckets, entries=10)

    def ask(*numbers: int) -> int:
        before = buckets.asked
        for number in numbers:
            assert origins.allows("acme", "any", f"https://o{number}.example")
        return buckets.asked - before

    assert (ask(*range(10)), ask(*range(10))) == (10, 0)
    assert (ask(10), ask(10), ask(0)) == (1, 0, 1)
