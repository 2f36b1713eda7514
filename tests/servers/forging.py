"""Tokens that no library makes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt

from servicekit.testing import Issuer


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def assembled(
    header: dict[str, Any], claims: dict[str, Any] | bytes, sign: Callable[[bytes], bytes]
) -> str:
    """Return a token that is assembled from its parts, without the checks of a library."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{b64(json.dumps(header).encode())}.{b64(payload)}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def rs256(issuer: Issuer) -> Callable[[bytes], bytes]:
    algorithm = jwt.get_algorithm_by_name("RS256")
    return lambda signed: algorithm.sign(signed, issuer.private_key)
