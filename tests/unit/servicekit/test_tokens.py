"""Access tokens: algorithms, keys and forms (security.md 49 to 52, 58, 59), and the memory."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from servicekit.testing import AUDIENCE, ISSUER, Issuer
from servicekit.tokens import (
    MAX_TOKEN_BYTES,
    BadSignature,
    MalformedToken,
    TokenError,
    Verifier,
)
from tests.servers.auth import Clock
from tests.servers.forging import assembled, b64, public_forms, rs256
from tests.servers.web import Reply, serving


def test_good_token_gives_its_claims(issuer: Issuer, verifier: Verifier) -> None:
    """A good token names tenant, subject and scopes."""
    principal = verifier.verify(issuer.token(scope="files:read files:write"))
    assert (principal.tenant, principal.subject) == ("demo", "client-1")
    assert principal.scopes == {"files:read", "files:write"}


def test_audience_may_be_a_list(issuer: Issuer, verifier: Verifier) -> None:
    """A token for several audiences is good at each of them."""
    assert verifier.verify(issuer.token(aud=[AUDIENCE, "auth"])).tenant == "demo"


def test_type_may_be_a_full_media_type(issuer: Issuer, verifier: Verifier) -> None:
    """RFC 9068 section 4: `application/at+jwt` is the same type."""
    assert verifier.verify(issuer.token(headers={"typ": "application/AT+JWT"})).tenant == "demo"


def test_token_without_scope_has_none(issuer: Issuer, verifier: Verifier) -> None:
    """A token without the claim `scope` allows nothing."""
    assert verifier.verify(issuer.token(scope=None)).scopes == frozenset()


# 49, 50: algorithms


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_unsigned_tokens_are_refused(issuer: Issuer, verifier: Verifier, algorithm: str) -> None:
    """No spelling of `alg: none` passes, with or without something in the signature's place."""
    header = {"alg": algorithm, "typ": "at+jwt", "kid": issuer.kid}
    for signature in (b"", b"x"):
        with pytest.raises(MalformedToken):
            verifier.verify(assembled(header, issuer.claims(), lambda _, s=signature: s))  # type: ignore[misc]


@pytest.mark.parametrize("form", public_forms(Issuer()))
@pytest.mark.parametrize("declared", ["HS256", "RS256"])
def test_public_key_is_no_hmac_secret(
    issuer: Issuer, verifier: Verifier, form: str, declared: str
) -> None:
    """An HMAC made with the public key is refused, whatever the header says."""
    secret = public_forms(issuer)[form]
    header = {"alg": declared, "typ": "at+jwt", "kid": issuer.kid}
    forged = assembled(
        header,
        issuer.claims(),
        lambda signed: hmac.digest(secret, signed, hashlib.sha256),
    )
    with pytest.raises(TokenError):
        verifier.verify(forged)


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_other_algorithms_of_the_same_key_are_refused(
    issuer: Issuer, verifier: Verifier, algorithm: str
) -> None:
    """A token that our own key signed with another algorithm is refused."""
    forged = jwt.encode(
        issuer.claims(), issuer.private_key, algorithm, {"typ": "at+jwt", "kid": issuer.kid}
    )
    with pytest.raises(MalformedToken, match="algorithm"):
        verifier.verify(forged)


def test_header_algorithm_must_be_the_keys(verifier: Verifier, issuer: Issuer) -> None:
    """`alg: RS256` with the id of an elliptic key is refused before the key is used."""
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
    """A key of 1024 bits is refused even when the issuer publishes it."""
    weak = Issuer()
    weak.private_key = rsa.generate_private_key(65537, 1024)
    weak._jwk = jwt.PyJWK(weak.public_jwk())
    token = assembled(
        {"alg": "RS256", "typ": "at+jwt", "kid": weak.kid}, weak.claims(), rs256(weak)
    )
    with pytest.raises(TokenError):
        Verifier(weak, issuer=ISSUER, audience=AUDIENCE).verify(token)


# 51, 52: keys


def test_keys_in_the_header_are_ignored_and_never_fetched(
    issuer: Issuer, verifier: Verifier
) -> None:
    """`jku`, `x5u` and `jwk` of an attacker verify nothing and cause no traffic."""
    attacker = Issuer(kid=issuer.kid)
    with serving(lambda _: Reply(json.dumps({"keys": [attacker.public_jwk()]}).encode())) as canary:
        for header in (
            {"jku": f"{canary.url}/jwks.json"},
            {"x5u": f"{canary.url}/cert.pem"},
            {"jwk": attacker.public_jwk()},
        ):
            with pytest.raises(BadSignature):
                verifier.verify(attacker.token(headers=header))
        assert canary.paths == []


@pytest.mark.parametrize("kid", ["../../etc/passwd", "x' OR '1'='1", "\0", "unknown", "é"])
def test_unknown_key_ids_are_refused(issuer: Issuer, verifier: Verifier, kid: str) -> None:
    """A key id is looked up and nothing else."""
    with pytest.raises(BadSignature):
        verifier.verify(issuer.token(headers={"kid": kid}))


@pytest.mark.parametrize("kid", [None, "", 7, ["test-key"], {"test-key": 1}, True])
def test_key_ids_that_are_no_text_are_refused(
    issuer: Issuer, verifier: Verifier, kid: object
) -> None:
    """A missing key id, or one that is no text, is a malformed token, never an error."""
    header = {"alg": "RS256", "typ": "at+jwt", "kid": kid}
    with pytest.raises(MalformedToken):
        verifier.verify(assembled(header, issuer.claims(), rs256(issuer)))


# 58, 59: form


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "exp", None])
def test_critical_extensions_are_refused(issuer: Issuer, verifier: Verifier, crit: object) -> None:
    """No extension is understood, so none may be demanded (RFC 7515 section 4.1.11)."""
    header = {"alg": "RS256", "typ": "at+jwt", "kid": issuer.kid, "crit": crit, "b64": True}
    with pytest.raises(MalformedToken):
        verifier.verify(assembled(header, issuer.claims(), rs256(issuer)))


def test_padded_base64_is_refused(issuer: Issuer, verifier: Verifier) -> None:
    """A second spelling of the same token is refused: it would slip past lists of revoked ones."""
    head, payload, signature = issuer.token().split(".")
    for token in (
        f"{head}=.{payload}.{signature}",
        f"{head}.{payload}==.{signature}",
        f"{head}.{payload}.{signature}==",
    ):
        with pytest.raises(MalformedToken):
            verifier.verify(token)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a.b",
        "{}.{}.{}",
        "e30.e30.e30",
        "bnVsbA.e30.AAAA",
        "W10.W10.W10",
        "IiI.e30.AA",
        "\ud83e.a.b",
        "ä.b.c",
        "a\n.b.c",
    ],
)
def test_garbage_is_refused(verifier: Verifier, token: str) -> None:
    """What is no token is refused with a word, never with an unexpected error."""
    with pytest.raises(MalformedToken):
        verifier.verify(token)


def test_claims_that_are_no_object_are_refused(issuer: Issuer, verifier: Verifier) -> None:
    """A rightly signed payload that is no JSON object is malformed."""
    header = {"alg": "RS256", "typ": "at+jwt", "kid": issuer.kid}
    for payload in (b"[]", b"null", b'"x"', b"\xff\xfe", b"", b"{"):
        with pytest.raises(MalformedToken):
            verifier.verify(assembled(header, payload, rs256(issuer)))


def test_long_tokens_are_refused_at_once(issuer: Issuer, verifier: Verifier) -> None:
    """64 KiB cost nothing: the length is looked at first."""
    token = issuer.token(pad="x" * 65536)
    assert len(token) > MAX_TOKEN_BYTES
    started = time.perf_counter()
    with pytest.raises(MalformedToken, match="longer than"):
        verifier.verify(token)
    assert time.perf_counter() - started < 0.01


def test_deep_json_is_refused(issuer: Issuer, verifier: Verifier) -> None:
    """Nesting neither exhausts the stack nor takes long, in the header or in the claims."""
    deep = b"[" * 2900 + b"]" * 2900
    started = time.perf_counter()
    for token in (
        f"{b64(deep)}.e30.AAAA",
        assembled(
            {"alg": "RS256", "typ": "at+jwt", "kid": issuer.kid},
            b'{"x":' + deep[:1400] + deep[-1400:] + b"}",
            rs256(issuer),
        ),
    ):
        with pytest.raises(TokenError):
            verifier.verify(token)
    assert time.perf_counter() - started < 0.1


def test_changed_tokens_are_refused(issuer: Issuer, verifier: Verifier) -> None:
    """Other claims under an old signature do not verify."""
    head, _, signature = issuer.token().split(".")
    payload = b64(json.dumps(issuer.claims(tid="victim")).encode())
    with pytest.raises(BadSignature):
        verifier.verify(f"{head}.{payload}.{signature}")


def test_messages_never_hold_the_token(issuer: Issuer, verifier: Verifier) -> None:
    """An error's text may be shown and logged."""
    token = issuer.token(aud="other")
    with pytest.raises(TokenError) as caught:
        verifier.verify(token)
    assert not any(part in str(caught.value) for part in token.split("."))


# the memory of verified tokens


class CountingKeys:
    """Counts how often a key is looked for, which is once for each verification."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer, self.lookups = issuer, 0

    def find(self, kid: str) -> jwt.PyJWK | None:
        self.lookups += 1
        return self._issuer.find(kid)


def test_verified_tokens_are_remembered_for_seconds(issuer: Issuer, clock: Clock) -> None:
    """The same token is verified once in a few seconds, and then again."""
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
    """A flood of bad tokens does not push out the good ones."""
    verifier = Verifier(issuer, issuer=ISSUER, audience=AUDIENCE, clock=clock)
    for _ in range(3):
        with pytest.raises(TokenError):
            verifier.verify(issuer.token(aud="other"))
    assert not verifier._cache


def test_memory_of_tokens_is_bounded(issuer: Issuer, clock: Clock) -> None:
    """However many tokens come, only so many are remembered."""
    verifier = Verifier(issuer, issuer=ISSUER, audience=AUDIENCE, cache_entries=4, clock=clock)
    for _ in range(11):
        verifier.verify(issuer.token())
    assert len(verifier._cache) <= 4
