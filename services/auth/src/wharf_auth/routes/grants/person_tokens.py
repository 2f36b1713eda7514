"""Access tokens of people."""

from __future__ import annotations

from typing import Any

from wharf_auth.accounts import grants
from wharf_auth.accounts.sessions import Opened
from wharf_auth.context import AppContext
from wharf_auth.domain import scopes, tokens
from wharf_auth.metrics import ISSUED


def person_token(
    context: AppContext, opened: Opened, grant: str, wanted: str | None = None
) -> dict[str, Any]:
    """Sign an access token for a person; return the members of RFC 6749 section 5.1.

    The token has the wanted scopes; by default all scopes of the person's role and groups. Raise
    `scopes.UnknownScope` for a wanted scope that the person does not have.
    """
    standing = grants.of_user(context.records, opened.user)
    granted = scopes.narrowed(standing.scopes, wanted)
    now = int(context.clock())
    # No token outlives its session.
    ttl_seconds = min(context.settings.token_ttl_seconds, opened.session.expires_at // 1000 - now)
    claims = tokens.claims(
        issuer=context.settings.issuer,
        tenant=opened.user.tenant,
        subject=opened.user.id,
        scopes=granted,
        now=now,
        ttl_seconds=ttl_seconds,
        session=opened.session.id,
        grants=standing.claim(),
    )
    ISSUED.labels(grant).inc()
    return {
        "access_token": context.keys.sign(claims),
        "token_type": "Bearer",
        "expires_in": ttl_seconds,
        "scope": claims["scope"],
    }
