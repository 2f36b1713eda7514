"""The claims of access tokens (security.md 54 to 57)."""

from __future__ import annotations

import pytest

from servicekit.testing import Issuer
from servicekit.tokens import (
    LEEWAY_SECONDS,
    MAX_PARENTS,
    ExpiredToken,
    MalformedToken,
    Verifier,
)
from tests.servers.auth import Clock


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub", "tid", "jti"])
def test_missing_claims_are_refused(issuer: Issuer, verifier: Verifier, claim: str) -> None:
    """Row 54: a token without one of the required claims is refused."""
    with pytest.raises(MalformedToken, match=claim):
        verifier.verify(issuer.token(**{claim: None}))


def test_expired_tokens_are_refused_after_the_leeway(
    issuer: Issuer, verifier: Verifier, clock: Clock
) -> None:
    """Row 55: a token is valid until a minute after its expiry, because clocks differ."""
    token = issuer.token(exp=int(clock()) + 10)
    clock.now += 10 + LEEWAY_SECONDS - 2
    assert verifier.verify(token).tenant == "demo"
    clock.now += 2
    with pytest.raises(ExpiredToken):
        verifier.verify(token)


@pytest.mark.parametrize(
    "parents", [["p"] * (MAX_PARENTS + 1), "p", {"p": 1}, ["p", 1], ["p", ""], [["p"]], 7]
)
def test_parents_are_ids_of_a_few_tokens(
    issuer: Issuer, verifier: Verifier, parents: object
) -> None:
    """A token with malformed `parents` is refused."""
    with pytest.raises(MalformedToken, match="parents"):
        verifier.verify(issuer.token(parents=parents))


def test_parents_of_a_token(issuer: Issuer, verifier: Verifier) -> None:
    """The principal has the token's parents in order. A token without parents and without a ticket
    counts as original.
    """
    names = [f"p{number}" for number in range(MAX_PARENTS)]
    found = verifier.verify(issuer.token(parents=names))
    assert (found.parents, found.is_original) == (tuple(names), False)
    found = verifier.verify(issuer.token())
    assert (found.parents, found.is_original) == ((), True)
    found = verifier.verify(issuer.token(ticket={"bucket": "photos", "prefix": ""}))
    assert (found.parents, found.is_original) == ((), False)
