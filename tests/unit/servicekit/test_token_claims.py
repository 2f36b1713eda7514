"""The claims of access tokens (security.md 54 to 57)."""

from __future__ import annotations

import pytest

from servicekit.testing import Issuer
from servicekit.tokens import (
    LEEWAY_SECONDS,
    ExpiredToken,
    MalformedToken,
    Verifier,
)
from tests.servers.auth import Clock


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub", "tid", "jti"])
def test_missing_claims_are_refused(issuer: Issuer, verifier: Verifier, claim: str) -> None:
    """Every claim that is relied on has to be there."""
    with pytest.raises(MalformedToken, match=claim):
        verifier.verify(issuer.token(**{claim: None}))


def test_expired_tokens_are_refused_after_the_leeway(
    issuer: Issuer, verifier: Verifier, clock: Clock
) -> None:
    """A token ends a minute after its expiry, for clocks that differ, and not later."""
    token = issuer.token(exp=int(clock()) + 10)
    clock.now += 10 + LEEWAY_SECONDS - 2
    assert verifier.verify(token).tenant == "demo"
    clock.now += 2
    with pytest.raises(ExpiredToken):
        verifier.verify(token)
