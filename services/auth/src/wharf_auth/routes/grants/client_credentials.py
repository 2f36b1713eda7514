"""The grant `client_credentials`: tokens for clients (RFC 6749 section 4.4)."""

from __future__ import annotations

from flask import Response, request

from wharf_auth.accounts import grants
from wharf_auth.context import AppContext
from wharf_auth.domain import scopes, tokens
from wharf_auth.routes.client_login import logged_in
from wharf_auth.routes.grants.issuing import issue
from wharf_auth.routes.oauth_errors import OAuthError

NAME = "client_credentials"


def answer(context: AppContext) -> Response:
    """Return the response with a token; raise `OAuthError`.

    The token has the requested scopes, by default all scopes of the client and its groups.
    """
    client = logged_in(context)
    standing = grants.of_client(context.records, client)
    try:
        granted = scopes.narrowed(standing.scopes, request.form.get("scope"))
    except scopes.UnknownScope:
        raise OAuthError(
            "invalid_scope", f"The client has the scopes {' '.join(standing.scopes)}."
        ) from None
    claims = tokens.claims(
        issuer=context.settings.issuer,
        tenant=client.tenant,
        subject=client.id,
        scopes=granted,
        now=int(context.clock()),
        ttl_seconds=context.settings.token_ttl_seconds,
        grants=standing.claim(),
    )
    return issue(context, NAME, claims)
