"""The claims of an access token (RFC 9068)."""

from __future__ import annotations

from typing import Any

import msgspec

from servicekit.grants_claim import CLAIM as GRANTS
from servicekit.grants_claim import GrantsClaim
from servicekit.ids import uuid7_hex
from servicekit.tokens import LEEWAY_SECONDS
from wharf_auth.domain.scopes import ADMIN_SCOPE

MAX_TOKEN_TTL_SECONDS = 24 * 3600
# The audiences of tokens. Auth itself accepts only tokens of administrators and of people.
UPLOAD_AUDIENCE = "upload"
AUTH_AUDIENCE = "auth"
# The audience of tokens that only the live channel accepts.
LIVE_AUDIENCE = "live"


def last_expiry(now: int) -> int:
    """Return the time by which every token from before `now` has expired.

    `now` is in unix milliseconds, the result in unix seconds.
    """
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
    """Return the claims of an access token that is issued at `now`, in unix seconds.

    `session` is the id of a person's session, and empty for clients. `grants` is `None` for a
    subject without a list of grants and without groups.
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
