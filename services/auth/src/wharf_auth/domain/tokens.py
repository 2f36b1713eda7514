"""What an access token says (RFC 9068)."""

from __future__ import annotations

from typing import Any

import msgspec

from servicekit.grants_claim import CLAIM as GRANTS
from servicekit.grants_claim import GrantsClaim
from servicekit.ids import uuid7_hex
from servicekit.tokens import LEEWAY_SECONDS
from wharf_auth.domain.scopes import ADMIN_SCOPE

MAX_TOKEN_TTL_SECONDS = 24 * 3600
# Who accepts the tokens. Only those of administrators and of people are good at auth itself.
UPLOAD_AUDIENCE = "upload"
AUTH_AUDIENCE = "auth"
# Of tokens that listen to the live channel and open nothing else.
LIVE_AUDIENCE = "live"


def last_expiry(now: int) -> int:
    """When the last of the tokens issued before `now` (milliseconds) has expired, in seconds."""
    return now // 1000 + MAX_TOKEN_TTL_SECONDS + LEEWAY_SECONDS + 1


def claims(
    *,
    issuer: str,
    tenant: str,
    subject: str,
    scopes: tuple[str, ...],
    now: int,
    ttl_seconds: int,
    session: str = "",
    grants: GrantsClaim | None = None,
) -> dict[str, Any]:
    """The claims of an access token issued at `now`, in unix seconds.

    `session` is that of a person, empty for programs. `grants` are `None` where there is no list
    and no group.
    """
    audience: str | list[str] = UPLOAD_AUDIENCE
    if ADMIN_SCOPE in scopes or session:
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
        **({"sid": session} if session else {}),
        **({GRANTS: msgspec.to_builtins(grants)} if grants is not None else {}),
    }
