"""What an access token says (RFC 9068)."""

from __future__ import annotations

from typing import Any

from servicekit.ids import uuid7_hex
from wharf_auth.domain.scopes import ADMIN_SCOPE

# Who accepts the tokens. Only administrators' tokens are good at auth itself.
UPLOAD_AUDIENCE = "upload"
AUTH_AUDIENCE = "auth"


def claims(
    *, issuer: str, tenant: str, subject: str, scopes: tuple[str, ...], now: int, ttl_seconds: int
) -> dict[str, Any]:
    """The claims of an access token issued at `now`, in unix seconds."""
    audience: str | list[str] = UPLOAD_AUDIENCE
    if ADMIN_SCOPE in scopes:
        audience = [UPLOAD_AUDIENCE, AUTH_AUDIENCE]
    return {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "tid": tenant,
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + ttl_seconds,
        "jti": uuid7_hex(),
    }
