"""Access tokens: unusual keys, length, and the cache of verified tokens."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from servicekit.testing import AUDIENCE, ISSUER, Issuer
from servicekit.tokens import (
    MAX_TOKEN_BYTES,
    MalformedToken,
    TokenError,
    Verifier,
)
from tests.servers.auth import Clock
from tests.servers.forging import assembled, rs256


def test_good_token_gives_its_claims(issuer: Issuer, verifier: Verifier) -> None:
    """A valid token gives tenant, subject and scopes."""
    principal = verifier.verify(issuer.token(scope="files:read files:write"))
    assert (principal.tenant, principal.subject) == ("demo", "client-1")
    assert principal.scopes == {"files:read", "files:write"}


def test_token_without_scope_has_none(issuer: Issuer, verifier: Verifier) -> None:
    """A token without the claim `scope` has no scopes."""
    assert verifier.verify(issuer.token(scope=None)).scopes == frozenset()


def test_header_algorithm_must_be_the_keys(verifier: Verifier, issuer: Issuer) -> None:
    """Row 50: `alg: RS256` with an elliptic key's id is refused before the key is used."""
    private = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.PyJWK(
        {**jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True), "alg": "ES256"}
    )

    class Elliptic:
        def find(self, kid: str) -> jwt.PyJWK | None:
            return jwk

    checker = Verifier(Elliptic(), issuer=ISSUER, audience=AUDIENCE)
    with pytest.raises(MalformedToken, match="algorithm"):
        checker.verify(issuer.token())


def test_weak_keys_verify_nothing(issuer: Issuer) -> None:
    """A key of 1,024 bits verifies no token, even if the issuer publishes the key."""
    weak = Issuer()
    weak.private_key = rsa.generate_private_key(65537, 1024)
    weak._jwk = jwt.PyJWK(weak.public_jwk())
    token = assembled(
        {"alg": "RS256", "typ": "at+jwt", "kid": weak.kid}, weak.claims(), rs256(weak)
    )
    with pytest.raises(TokenError):
        Verifier(weak, issuer=ISSUER, audience=AUDIENCE).verify(token)


def test_long_tokens_are_refused(issuer: Issuer, verifier: Verifier) -> None:
    """Row 59: a token of 64 KiB is refused because of its length, even if it is valid."""
    token = issuer.token(pad="x" * 65536)
    assert len(token) > MAX_TOKEN_BYTES
    with pytest.raises(MalformedToken, match="longer than"):
        verifier.verify(token)


# The cache of verified tokens


class CountingKeys:
    """Keys that count how often a key is requested, which is once for each verification."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer, self.lookups = issuer, 0

    def find(self, kid: str) -> jwt.PyJWK | None:
        self.lookups += 1
        return self._issuer.find(kid)


def test_verified_tokens_are_remembered_for_seconds(issuer: Issuer, clock: Clock) -> None:
    """A verified token is cached for a few seconds, and then verified again."""
    keys = CountingKeys(issuer)
    verifier = Verifier(keys, issuer=ISSUER, audience=AUDIENCE, cache_seconds=3, clock=clock)
    token = issuer.token()
    for _ in range(5):
        verifier.verify(token)
    assert keys.lookups == 1
    clock.now += 3.1
    verifier.verify(token)
    assert keys.lookups == 2


def test_refused_tokens_are_not_remembered(issuer: Issuer, clock: Clock) -> None:
    """A refused token is not cached, so bad tokens cannot remove good tokens from the cache."""
    verifier = Verifier(issuer, issuer=ISSUER, audience=AUDIENCE, clock=clock)
    for _ in range(3):
        with pytest.raises(TokenError):
            verifier.verify(issuer.token(aud="other"))
    assert not verifier._cache


def test_memory_of_tokens_is_bounded(issuer: Issuer, clock: Clock) -> None:
    """The cache of verified tokens has a maximum number of tokens."""
    verifier = Verifier(issuer, issuer=ISSUER, audience=AUDIENCE, cache_entries=4, clock=clock)
    for _ in range(11):
        verifier.verify(issuer.token())
    assert len(verifier._cache) <= 4


def test_memory_of_long_tokens_is_bounded(issuer: Issuer, clock: Clock) -> None:
    """The cache of verified tokens has a maximum number of bytes, even for long tickets."""
    types = [f"image/x-{number:040}" for number in range(80)]
    ticket = {"bucket": "default", "prefix": "", "allowed_types": types}
    verifier = Verifier(issuer, issuer=ISSUER, audience=AUDIENCE, cache_bytes=30_000, clock=clock)
    remembered = []
    for _ in range(11):
        token = issuer.token(ticket=ticket)
        assert 5000 < len(token) < 8000
        for _ in range(2):  # verifying a token again takes no more space
            clock.now += 4
            verifier.verify(token)
        remembered.append(len(verifier._cache))
    assert 3 <= max(remembered) <= 5
