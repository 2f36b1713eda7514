"""The grant `refresh_token`: it continues the session of a person (RFC 6749 section 6).

A program sends the refresh token as a parameter; a page of this origin sends it in the cookie. A
refresh token is valid for one use. A second use ends the session, since it means that the token or
its successor was stolen (RFC 9700 section 4.14). There is no grace period: tabs of one browser
refresh one after the other (`navigator.locks`).
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
    """Return the response with an access token and a new refresh token; raise `OAuthError`.

    The access token has the requested scopes, by default all scopes that the person has now.
    """
    if "Authorization" in request.headers or "client_secret" in request.form:
        raise OAuthError(
            "invalid_request", "A refresh token belongs to no client: send no client credentials."
        )
    given = request.form.get(NAME)
    kept = request.cookies.get(cookies.REFRESH_COOKIE)
    if given and kept:
        raise OAuthError("invalid_request", "Both the form and the cookie have a refresh token.")
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
        # The scopes are checked first: a request for too many scopes must not use up the token.
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
    # The error is the same for all reasons: a thief who tries stolen tokens learns nothing.
    return OAuthError("invalid_grant", "The refresh token is not valid any more; log in again.")
