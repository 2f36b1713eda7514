"""`refresh_token`: people's sessions go on (RFC 6749 section 6).

The token is a parameter of programs, or the cookie of a page of this origin. It is good for one
use; a second one ends the session, since somebody has stolen the token or its successor (RFC 9700
section 4.14). There is no time of grace: two tabs of a browser take turns (`navigator.locks`).
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Response, request

from servicekit.web import json_response
from wharf_auth.accounts.sessions import Opened
from wharf_auth.context import AppContext
from wharf_auth.database.people_contract import RefreshReused, RefreshSuspended, RefreshUnknown
from wharf_auth.domain import scopes
from wharf_auth.metrics import REUSED
from wharf_auth.routes import cookies
from wharf_auth.routes.grants.issuing import TokenAnswer
from wharf_auth.routes.grants.person_tokens import person_token
from wharf_auth.routes.oauth_errors import OAuthError

log = logging.getLogger(__name__)
NAME = "refresh_token"


def answer(context: AppContext) -> Response:
    """An access token with the scopes of the role as it is now, and the next refresh token."""
    if "Authorization" in request.headers or "client_secret" in request.form:
        raise OAuthError("invalid_request", "A person's session belongs to no client: send none.")
    given = request.form.get(NAME)
    kept = request.cookies.get(cookies.REFRESH_COOKIE)
    if given and kept:
        raise OAuthError("invalid_request", "There is a refresh token in the form and a cookie.")
    if given:
        opened, members = _refreshed(context, given)
        members[NAME] = opened.refresh_token
        return json_response(TokenAnswer(**members))
    if not kept:
        raise OAuthError("invalid_request", f"The parameter {NAME} is missing.")
    cookies.require_own_origin(request, context.settings.gateway_url)
    try:
        opened, members = _refreshed(context, kept)
    except OAuthError as error:
        if error.code == "invalid_grant":
            error.headers = (("Set-Cookie", cookies.clearing()),)
        raise
    response = json_response(TokenAnswer(**members))
    cookies.put(response, opened.refresh_token, context.sessions.seconds_left(opened.session))
    return response


def _refreshed(context: AppContext, token: str) -> tuple[Opened, dict[str, Any]]:
    wanted = request.form.get("scope")
    try:
        # Looked at first: a request that asks for too much does not use the token up.
        context.sessions.require_granted(token, wanted)
        opened = context.sessions.refresh(token)
        return opened, person_token(context, opened, NAME, wanted)
    except scopes.UnknownScope:
        raise OAuthError("invalid_scope", "The person's role does not have these scopes.") from None
    except RefreshReused as error:
        REUSED.inc()
        log.warning("a refresh token was used twice: the session %s has ended", error)
        raise _invalid() from None
    except RefreshUnknown:
        raise _invalid() from None
    except RefreshSuspended:
        raise OAuthError("unauthorized_client", "The person's tenant is suspended.") from None


def _invalid() -> OAuthError:
    # The same for all reasons: whoever tries stolen tokens learns nothing.
    return OAuthError("invalid_grant", "The refresh token is not good any more; log in again.")
