"""A token issuer for tests."""

from __future__ import annotations

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from servicekit.ids import uuid7_hex
from servicekit.tokens import ALGORITHM, TYPE, critical

ISSUER = "http://wharf.test/auth"
AUDIENCE = "upload"


class Issuer:
    """An issuer that signs tokens as auth does, or with any other claims; implements `Keys`."""

    def __init__(self, kid: str = "test-key") -> None:
        self.kid = kid
        self.private_key = rsa.generate_private_key(65537, 2048)
        self._jwk = jwt.PyJWK({**self.public_jwk()})

    def public_jwk(self) -> dict[str, Any]:
        """Return the public key as a JWK (RFC 7517)."""
        jwk: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(
            self.private_key.public_key(), as_dict=True
        )
        return {**jwk, "kid": self.kid, "use": "sig", "alg": ALGORITHM}

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with this id, or `None`."""
        return self._jwk if kid == self.kid else None

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return valid claims with `changes`; the value `None` leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "client-1",
            "tid": "demo",
            "scope": "files:read files:write files:delete buckets:admin",
            "iat": now,
            "exp": now + 900,
            "jti": uuid7_hex(),
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """Return a signed token with valid claims and header, except `changes` and `headers`."""
        claims = self.claims(**changes)
        header = {"typ": TYPE, "kid": self.kid, **critical(claims), **(headers or {})}
        return jwt.encode(claims, self.private_key, ALGORITHM, header)
