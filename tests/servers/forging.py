"""Tokens that no library makes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from servicekit.testing import Issuer


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
