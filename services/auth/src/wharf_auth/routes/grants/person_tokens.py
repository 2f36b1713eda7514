"""Access tokens of people, and who is behind one that comes back."""

from __future__ import annotations

from typing import Any

from flask import g

from servicekit.problems import FORBIDDEN
from wharf_auth.accounts.sessions import Opened
from wharf_auth.database.people_contract import ActiveSession
from wharf_auth.domain import scopes, tokens, users
from wharf_auth.metrics import ISSUED
from wharf_auth.routes import Parts


def person_token(
    parts: Parts, opened: Opened, grant: str, wanted: str | None = None
) -> dict[str, Any]:
    """The members of RFC 6749 section 5.1: all scopes of the role, or the wanted part of them.

    Raises `scopes.UnknownScope`.
    """
    granted = scopes.narrowed(users.ROLES[opened.user.role], wanted)
    now = int(parts.clock())
    # No token outlives its session.
    ttl_seconds = min(parts.settings.token_ttl_seconds, opened.session.expires_at // 1000 - now)
    claims = tokens.claims(
        issuer=parts.settings.issuer,
        tenant=opened.user.tenant,
        subject=opened.user.id,
        scopes=granted,
        now=now,
        ttl_seconds=ttl_seconds,
        session=opened.session.id,
    )
    ISSUED.labels(grant).inc()
    return {
        "access_token": parts.keys.sign(claims),
        "token_type": "Bearer",
        "expires_in": ttl_seconds,
        "scope": claims["scope"],
    }


def person(parts: Parts) -> ActiveSession:
    """The person who asks; raises the problem `forbidden` for a program and for a ticket."""
    principal = g.principal
    # A program's exchanged token has a `sid` as well, but no session of that name.
    owner = parts.records.active_session(principal.session) if principal.session else None
    if owner is None or principal.ticket is not None:
        raise FORBIDDEN("This is about a person's own session; the token is none of a person.")
    return owner
