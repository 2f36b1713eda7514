"""The claims of access tokens (security.md 54 to 57)."""

from __future__ import annotations

import pytest

from servicekit.testing import ISSUER, Issuer
from servicekit.tokens import (
    LEEWAY_SECONDS,
    ExpiredToken,
    MalformedToken,
    Verifier,
)
from tests.servers.auth import Clock
from tests.servers.forging import assembled, rs256


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub", "tid", "jti"])
def test_missing_claims_are_refused(issuer: Issuer, verifier: Verifier, claim: str) -> None:
    """Every claim that is relied on has to be there."""
    with pytest.raises(MalformedToken, match=claim):
        verifier.verify(issuer.token(**{claim: None}))


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value", ["soon", "1795193473", 1.5, 1795193473.0, True, [], {}, -1, 0, 1 << 41, float("nan")]
)
def test_times_are_whole_seconds(
    issuer: Issuer, verifier: Verifier, claim: str, value: object
) -> None:
    """A time that is a text, a fraction, a boolean or out of range is refused."""
    claims = {**issuer.claims(), claim: value}
    header = {"alg": "RS256", "typ": "at+jwt", "kid": issuer.kid}
    with pytest.raises(MalformedToken):
        verifier.verify(assembled(header, claims, rs256(issuer)))


def test_expiry_far_away_is_refused(issuer: Issuer, verifier: Verifier, clock: Clock) -> None:
    """A token that lives longer than the maximum is refused, even when rightly signed."""
    now = int(clock())
    with pytest.raises(MalformedToken, match="longer"):
        verifier.verify(issuer.token(exp=now + 10 * 365 * 86400))
    with pytest.raises(MalformedToken, match="longer"):
        verifier.verify(issuer.token(iat=now - 86400, exp=now + 60))


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


def test_future_tokens_are_refused(issuer: Issuer, verifier: Verifier, clock: Clock) -> None:
    """A token issued or valid only in the future is refused."""
    later = int(clock()) + LEEWAY_SECONDS + 30
    with pytest.raises(MalformedToken, match="future"):
        verifier.verify(issuer.token(iat=later, exp=later + 60))
    with pytest.raises(MalformedToken, match="not valid yet"):
        verifier.verify(issuer.token(nbf=later))


@pytest.mark.parametrize("audience", ["auth", "uploads", "upload ", "", ["auth"], [], 7, [7]])
def test_other_audiences_are_refused(issuer: Issuer, verifier: Verifier, audience: object) -> None:
    """A token for somebody else is refused."""
    header = {"alg": "RS256", "typ": "at+jwt", "kid": issuer.kid}
    claims = {**issuer.claims(), "aud": audience}
    with pytest.raises(MalformedToken):
        verifier.verify(assembled(header, claims, rs256(issuer)))


@pytest.mark.parametrize("typ", ["JWT", "rt+jwt", "refresh", "", None, "at+jwt+x", 7])
def test_other_types_are_refused(issuer: Issuer, verifier: Verifier, typ: object) -> None:
    """A refresh token, an ID token or any other type is no access token."""
    header = {"alg": "RS256", "typ": typ, "kid": issuer.kid}
    with pytest.raises(MalformedToken):
        verifier.verify(assembled(header, issuer.claims(), rs256(issuer)))


@pytest.mark.parametrize(
    "name",
    [
        f"{ISSUER}/",
        f"{ISSUER}.evil.example",
        f"https://evil.example/?{ISSUER}",
        ISSUER[:-1],
        ISSUER.upper(),
        [ISSUER],
        "",
    ],
)
def test_issuers_that_look_like_ours_are_refused(
    issuer: Issuer, verifier: Verifier, name: object
) -> None:
    """The issuer is compared as a whole (CVE-2024-53861 compared parts)."""
    header = {"alg": "RS256", "typ": "at+jwt", "kid": issuer.kid}
    claims = {**issuer.claims(), "iss": name}
    with pytest.raises(MalformedToken):
        verifier.verify(assembled(header, claims, rs256(issuer)))


@pytest.mark.parametrize("claim", ["sub", "tid", "jti"])
@pytest.mark.parametrize("value", ["", 7, ["demo"], {}, True])
def test_identities_are_texts(
    issuer: Issuer, verifier: Verifier, claim: str, value: object
) -> None:
    """Who a token speaks for is a text that is not empty."""
    header = {"alg": "RS256", "typ": "at+jwt", "kid": issuer.kid}
    claims = {**issuer.claims(), claim: value}
    with pytest.raises(MalformedToken):
        verifier.verify(assembled(header, claims, rs256(issuer)))


def test_scope_list_is_refused(issuer: Issuer, verifier: Verifier) -> None:
    """Scopes are one text; a list of another issuer's making is not guessed at."""
    with pytest.raises(MalformedToken, match="scope"):
        verifier.verify(issuer.token(scope=["files:read"]))
