"""Access tokens: what the verifier takes, and all that it must not take (security.md 49 to 59)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from servicekit.testing import AUDIENCE, ISSUER, Issuer
from servicekit.tokens import (
    LEEWAY_SECONDS,
    MAX_TOKEN_BYTES,
    BadSignature,
    ExpiredToken,
    MalformedToken,
    TokenError,
    Verifier,
)
from tests.servers.web import Reply, serving


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(issuer: Issuer, clock: Clock) -> Verifier:
    return Verifier(issuer, issuer=ISSUER, audience=AUDIENCE, clock=clock)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def assembled(
    header: dict[str, Any], claims: dict[str, Any] | bytes, sign: Callable[[bytes], bytes]
) -> str:
    """A token made by hand, for what no library makes."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{b64(json.dumps(header).encode())}.{b64(payload)}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def rs256(issuer: Issuer) -> Callable[[bytes], bytes]:
    algorithm = jwt.get_algorithm_by_name("RS256")
    return lambda signed: algorithm.sign(signed, issuer.private_key)


def public_forms(issuer: Issuer) -> dict[str, bytes]:
    """The public key in the forms an attacker may use as an HMAC secret."""
    public = issuer.private_key.public_key()
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = public.public_bytes(serialization.Encoding.PEM, info)
    return {
        "PEM": pem,
        "PEM without its last line end": pem.rstrip(b"\n"),
        "PEM with CRLF": pem.replace(b"\n", b"\r\n"),
        "PEM with leading space": b" \n" + pem,
        "PKCS1 PEM": public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
        ),
        "DER": public.public_bytes(serialization.Encoding.DER, info),
        "JWK": json.dumps(issuer.public_jwk()).encode(),
    }


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


# 54 to 57: claims


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
