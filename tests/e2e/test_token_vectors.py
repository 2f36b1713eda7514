"""The vectors of tests/vectors, signed with a running Wharf's key, through the gateway.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import re
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers.web import Reply, serving
from tests.servers.wharf.api_client import Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.tenants import Signer
from tests.vectors import generate
from tests.vectors.making import Maker, Vector

SLUGS = {
    "malformed": {"token-malformed"},
    "signature": {"token-signature"},
    "expired": {"token-expired"},
    "refused": {"token-malformed", "token-signature", "token-expired"},
}
# The characters of one credential in an Authorization field (RFC 6750 section 2.1).
_SENDABLE = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_GATEWAYS_BYTES = 30_000
# These vectors are exact to the second, and the time of a running service does not stand still.

_EXACT = "borders of time"


def maker(wharf: Wharf, signer: Signer, canary: str) -> Maker:
    """Return a maker that signs like this Wharf's auth."""
    key = serialization.load_pem_private_key(signer.pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    issuer = str(signer.claims()["iss"])
    return Maker(key, signer.kid, issuer, "upload", int(time.time()), canary)


def sendable(vector: Vector) -> bool:
    """Tell whether nginx passes on the token, and its result does not depend on exact seconds."""
    small = len(vector.token) < _GATEWAYS_BYTES
    return small and vector.group != _EXACT and bool(_SENDABLE.fullmatch(vector.token))


def sent(api: ApiClient, vector: Vector) -> Answer:
    """Request a route of Flask with this token."""
    return api.using(vector.token).get("/v1/usage")


def wrong(vector: Vector, answer: Answer) -> bool:
    """Tell whether the response differs from the result that the vector states."""
    if vector.result == "valid":
        # Some tickets and tokens are valid, but do not allow this request.
        return answer.status not in (200, 403) or answer.slug.startswith("token-")
    if vector.result == "acceptable":
        return answer.status not in (200, 401)
    return answer.status != 401 or answer.slug not in SLUGS[vector.result]


def test_vectors_through_the_gateway(wharf: Wharf, signer: Signer) -> None:
    """Rows 49 to 59: each sendable token gets its vector's result; no URL in a token is fetched."""
    api = ApiClient(wharf.port)
    with serving(lambda _: Reply(b'{"keys": []}')) as canary:
        vectors = generate.vectors(maker(wharf, signer, canary.url))
        chosen = [vector for vector in vectors if sendable(vector)]
        assert len(chosen) > 350
        found = [(vector, sent(api, vector)) for vector in chosen]
        assert canary.paths == []
    assert [
        (one.group, one.comment, one.result, answer.status, answer.slug)
        for one, answer in found
        if wrong(one, answer)
    ] == []
