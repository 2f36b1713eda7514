"""The vectors of tests/vectors against the verifier (security.md rows 49 to 59)."""

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
    Principal,
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
    """The keys of a JWKS document."""

    def __init__(self, keys: list[dict[str, Any]]) -> None:
        self._keys = {key["kid"]: jwt.PyJWK(key) for key in keys}

    def find(self, kid: str) -> jwt.PyJWK | None:
        return self._keys.get(kid)


@pytest.fixture(scope="module")
def vector_verifier() -> Verifier:
    """Knows the file's key, and lives at the file's moment."""
    return Verifier(
        KeySet(CONTENT["keys"]),
        issuer=CONTENT["issuer"],
        audience=CONTENT["audience"],
        clock=lambda: float(CONTENT["now"]),
    )


def name(vector: Vector) -> str:
    """A test's id."""
    return ascii(f"{vector.group}: {vector.comment}")


@pytest.mark.parametrize("vector", VECTORS, ids=name)
def test_vectors(vector_verifier: Verifier, vector: Vector) -> None:
    """Rows 49 to 51, 54 to 59: each token is taken, or refused by the word that the file says."""
    if vector.result == "valid":
        principal = vector_verifier.verify(vector.token)
        assert (principal.tenant, principal.subject) == ("vectors", "client-1")
    elif vector.result == "acceptable":
        accepted(vector_verifier, vector)
    else:
        with pytest.raises(TokenError) as caught:
            vector_verifier.verify(vector.token)
        assert isinstance(caught.value, ERRORS[vector.result])
        # An error's text may be shown and logged.
        assert not any(len(part) > 9 and part in str(caught.value)
                       for part in vector.token.split("."))  # fmt: skip


def accepted(verifier: Verifier, vector: Vector) -> Principal | None:
    """What comes of a token that may be refused: with two members of a name the last one holds."""
    try:
        principal = verifier.verify(vector.token)
    except TokenError:
        return None
    assert principal.tenant == "vectors"
    return principal


def test_the_file_is_what_the_tables_say() -> None:
    """The committed file has the groups, comments and results of the tables, in their order."""
    key = rsa.generate_private_key(65537, 2048)
    (public,) = CONTENT["keys"]
    maker = Maker(key, public["kid"], CONTENT["issuer"], CONTENT["audience"], CONTENT["now"])
    made = [(one.group, one.comment, one.result) for one in generate.vectors(maker)]
    assert made == [(one.group, one.comment, one.result) for one in VECTORS]
    assert set(public) == {"kty", "n", "e", "kid", "use", "alg"}


def test_names_are_unique() -> None:
    """A failing vector can be found by its group and comment."""
    names = [name(vector) for vector in VECTORS]
    assert sorted(set(names)) == sorted(names)


def test_canaries_are_never_asked() -> None:
    """Row 51: no address in a token's header causes any traffic."""
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
