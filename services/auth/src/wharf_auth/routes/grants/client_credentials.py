"""`client_credentials`: tokens for programs (RFC 6749 section 4.4)."""

from __future__ import annotations

from flask import Response, request

from wharf_auth.domain import scopes, tokens
from wharf_auth.routes import Parts
from wharf_auth.routes.client_login import logged_in
from wharf_auth.routes.grants.issuing import issue
from wharf_auth.routes.oauth_errors import OAuthError

NAME = "client_credentials"


def answer(parts: Parts) -> Response:
    """A token with all of the client's scopes, or those that it asks for."""
    client = logged_in(parts)
    try:
        granted = scopes.narrowed(client.scopes, request.form.get("scope"))
    except scopes.UnknownScope:
        raise OAuthError(
            "invalid_scope", f"The client has the scopes {' '.join(client.scopes)}."
        ) from None
    claims = tokens.claims(
        issuer=parts.settings.issuer,
        tenant=client.tenant,
        subject=client.id,
        scopes=granted,
        now=int(parts.clock()),
        ttl_seconds=parts.settings.token_ttl_seconds,
    )
    return issue(parts, NAME, claims)
