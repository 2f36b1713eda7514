"""Access tokens that no library makes, each with the result that a verifier must return.

In the style of Wycheproof a vector is a token, a result and a comment. The tables are in
`algorithms.py`, `forms.py` and `claims.py`. `generate.py` writes them with a new key to
`access_tokens.json`, and the tests through the gateway make them with a running Wharf's key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

#: The result of a token. `acceptable` means that it may be refused or accepted.
Result = Literal["valid", "malformed", "signature", "expired", "refused", "acceptable"]
Claims = dict[str, Any]
#: A member with this value is left out.
ABSENT = object()


@dataclass(frozen=True)
class Vector:
    """One token. The result `refused` means that the reason for the refusal does not matter."""

    group: str
    comment: str
    token: str
    result: Result


def b64(data: bytes) -> str:
    """Return Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encoded(content: object) -> bytes:
    """Return the content as JSON, or unchanged if the content is bytes."""
    return content if isinstance(content, bytes) else json.dumps(content).encode()


@dataclass(frozen=True)
class Maker:
    """An issuer with its key. `now` is in Unix seconds. `canary` is a URL that
    no verifier may request.
    """

    private_key: rsa.RSAPrivateKey
    kid: str
    issuer: str
    audience: str
    now: int
    canary: str = "http://127.0.0.1:9"

    def claims(self, **changes: Any) -> Claims:
        """Return valid claims with `changes`."""
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "client-1",
            "tid": "vectors",
            "scope": "files:read files:write",
            "iat": self.now - 10,
            "exp": self.now + 890,
            "jti": "0192f3c4-vector",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not ABSENT}

    def header(self, **changes: Any) -> Claims:
        """Return a valid header with `changes`."""
        header = {"alg": "RS256", "typ": "at+jwt", "kid": self.kid, **changes}
        return {name: value for name, value in header.items() if value is not ABSENT}

    def sign(self, signed: bytes, algorithm: str = "RS256") -> bytes:
        """Return a signature with this issuer's key."""
        made: bytes = jwt.get_algorithm_by_name(algorithm).sign(signed, self.private_key)
        return made

    def signed(self, header: object = None, claims: object = None, algorithm: str = "RS256") -> str:
        """Return a token with a valid signature over any parts."""
        head = b64(encoded(self.header() if header is None else header))
        body = b64(encoded(self.claims() if claims is None else claims))
        return f"{head}.{body}.{b64(self.sign(f'{head}.{body}'.encode(), algorithm))}"

    def hmacked(self, algorithm: str, secret: bytes, declared: str | None = None) -> str:
        """Return a token with an HMAC in place of the signature. The header names the algorithm
        `declared`, or without it the algorithm of the HMAC.
        """
        head = b64(encoded(self.header(alg=declared or algorithm)))
        signed = f"{head}.{b64(encoded(self.claims()))}"
        digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
        return f"{signed}.{b64(hmac.digest(secret, signed.encode(), digest))}"

    def jwk(self) -> Claims:
        """Return the public key as a JWK."""
        members: Claims = jwt.algorithms.RSAAlgorithm.to_jwk(
            self.private_key.public_key(), as_dict=True
        )
        members.pop("key_ops", None)
        return {**members, "kid": self.kid, "use": "sig", "alg": "RS256"}

    def public_forms(self) -> dict[str, bytes]:
        """Return the public key in each form that a wrong verifier may use as an HMAC secret."""
        public = self.private_key.public_key()
        pem, der, ssh = (
            serialization.Encoding.PEM,
            serialization.Encoding.DER,
            serialization.Encoding.OpenSSH,
        )
        info, pkcs1 = (
            serialization.PublicFormat.SubjectPublicKeyInfo,
            serialization.PublicFormat.PKCS1,
        )
        text = public.public_bytes(pem, info)
        body = b"".join(text.splitlines()[1:-1])
        modulus = public.public_numbers().n
        return {
            "PEM": text,
            "PEM without its last line end": text.rstrip(b"\n"),
            "PEM with CRLF": text.replace(b"\n", b"\r\n"),
            "PEM on one line": text.replace(b"\n", b""),
            "PEM with a space before it": b" " + text,
            "PEM with a line before it": b"\n" + text,
            "PEM with spaces at the ends of lines": text.replace(b"\n", b" \n"),
            "PEM with tabs between its words": text.replace(b" ", b"\t"),
            "PEM with its lines rewrapped": b"-----BEGIN PUBLIC KEY-----\n"
            + body
            + b"\n-----END PUBLIC KEY-----\n",
            "PEM's Base64 alone": body,
            "PKCS1 PEM": public.public_bytes(pem, pkcs1),
            "DER": public.public_bytes(der, info),
            "PKCS1 DER": public.public_bytes(der, pkcs1),
            "OpenSSH": public.public_bytes(ssh, serialization.PublicFormat.OpenSSH),
            "JWK": json.dumps(self.jwk()).encode(),
            "JWK without blanks": json.dumps(self.jwk(), separators=(",", ":")).encode(),
            "JWK set": json.dumps({"keys": [self.jwk()]}).encode(),
            "modulus as bytes": modulus.to_bytes(256, "big"),
            "modulus in Base64url": str(self.jwk()["n"]).encode(),
            "key id": self.kid.encode(),
            "nothing": b"",
        }


def sha256_without_name(maker: Maker, signed: bytes) -> bytes:
    """Return a raw RSA signature of a PKCS #1 block without the hash's name (DigestInfo)."""
    numbers = maker.private_key.private_numbers()
    digest = hashlib.sha256(signed).digest()
    block = b"\x00\x01" + b"\xff" * (256 - 3 - len(digest)) + b"\x00" + digest
    value = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
    return value.to_bytes(256, "big")


def group(name: str, result: Result, tokens: Iterable[tuple[str, str]]) -> list[Vector]:
    """Return vectors of one group that all have the same result."""
    return [Vector(name, comment, token, result) for comment, token in tokens]
