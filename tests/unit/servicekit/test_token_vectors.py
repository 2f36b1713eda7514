"""The verifier checks the test tokens of tests/vectors (security.md rows 49 to 59)."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from servicekit.tokens import (
    BadSignature,
    ExpiredToken,
    MalformedToken,
    TokenError,
    Verifier,
)
from tests.servers.web import Reply, serving
from tests.vectors import generate
from tests.vectors.making import Maker, Vector

CONTENT: dict[str, Any] = json.loads(generate.PATH.read_text(encoding="ascii"))
VECTORS = [Vector(**vector) for vector in CONTENT["vectors"]]
ERRORS: dict[str, type[TokenError]] = {
    "malformed": MalformedToken,
    "signature": BadSignature,
    "expired": ExpiredToken,
    "refused": TokenError,
}


class KeySet:
    """The keys of a JWKS document, by id."""

    def __init__(self, keys: list[dict[str, Any]]) -> None:
        self._keys = {key["kid"]: jwt.PyJWK(key) for key in keys}

    def find(self, kid: str) -> jwt.PyJWK | None:
        return self._keys.get(kid)


@pytest.fixture(scope="module")
def vector_verifier() -> Verifier:
    """Return a verifier with the keys and the time of the vectors' file."""
    return Verifier(
        KeySet(CONTENT["keys"]),
        issuer=CONTENT["issuer"],
        audience=CONTENT["audience"],
        clock=lambda: float(CONTENT["now"]),
    )


def name(vector: Vector) -> str:
    """Return the id of a test."""
    return ascii(f"{vector.group}: {vector.comment}")


@pytest.mark.parametrize("group", dict.fromkeys(one.group for one in VECTORS))
def test_vectors(vector_verifier: Verifier, group: str) -> None:
    """Rows 49 to 51, 54 to 59: each token is accepted, or refused with the error in the file."""
    faults = {one.comment: fault(vector_verifier, one) for one in VECTORS if one.group == group}
    assert {comment: what for comment, what in faults.items() if what} == {}


def fault(verifier: Verifier, vector: Vector) -> str:
    """Return the fault in the verifier's result for a token, or an empty text."""
    try:
        principal = verifier.verify(vector.token)
    except TokenError as error:
        # An acceptable token may be refused for any reason.
        allowed = ERRORS.get(vector.result, TokenError)
        if vector.result == "valid" or not isinstance(error, allowed):
            return repr(error)
        # An error's text is shown and logged, so it must not contain the token.
        told = any(len(part) > 9 and part in str(error) for part in vector.token.split("."))
        return f"tells the token: {error}" if told else ""
    # An acceptable token may name a member twice, and then the verifier uses the last value.
    whose = (principal.tenant, principal.subject)
    right = {"valid": whose == ("vectors", "client-1"), "acceptable": whose[0] == "vectors"}
    return "" if right.get(vector.result) else f"taken as that of {whose}"


def test_the_file_is_what_the_tables_say() -> None:
    """The committed file has the same groups, comments and results as the tables, in order."""
    key = rsa.generate_private_key(65537, 2048)
    (public,) = CONTENT["keys"]
    maker = Maker(key, public["kid"], CONTENT["issuer"], CONTENT["audience"], CONTENT["now"])
    made = [(one.group, one.comment, one.result) for one in generate.vectors(maker)]
    assert made == [(one.group, one.comment, one.result) for one in VECTORS]
    assert set(public) == {"kty", "n", "e", "kid", "use", "alg"}


def test_names_are_unique() -> None:
    """Group and comment together identify a vector."""
    names = [name(vector) for vector in VECTORS]
    assert sorted(set(names)) == sorted(names)


def test_canaries_are_never_asked() -> None:
    """Row 51: the verifier sends no request to an address in a token's header."""
    key = rsa.generate_private_key(65537, 2048)
    with serving(lambda _: Reply(b'{"keys": []}')) as canary:
        maker = Maker(key, "k", "http://wharf.test/auth", "upload", 1_000_000, canary.url)
        verifier = Verifier(
            KeySet([maker.jwk()]), issuer=maker.issuer, audience="upload", clock=lambda: 1_000_000.0
        )
        lures = [one for one in generate.vectors(maker) if "keys that a stranger" in one.group]
        assert len(lures) > 10
        for one in lures:
            with pytest.raises(ERRORS[one.result]):
                verifier.verify(one.token)
        assert canary.paths == []
