"""`/auth/login` and `/auth/logout`: people log in and log out."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from flask import Blueprint, Response, g, request

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import (
    MALFORMED,
    RATE_LIMITED,
    TENANT_SUSPENDED,
    UNAVAILABLE,
    UNPROCESSABLE,
    UNSUPPORTED_MEDIA,
)
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import public
from servicekit.web import json_response
from wharf_auth.accounts.clients import LoginRefused, TenantSuspended
from wharf_auth.accounts.login_throttle import Account
from wharf_auth.accounts.sessions import Device, Opened
from wharf_auth.context import AppContext
from wharf_auth.problems import CROSS_SITE, LOGIN_REFUSED, TOO_MANY_REVOCATIONS
from wharf_auth.routes import cookies
from wharf_auth.routes.grants.person_tokens import person_token
from wharf_auth.routes.trying import trying

# No correct name, password or token is longer.
Text = Annotated[str, msgspec.Meta(max_length=1024)]


class Login(msgspec.Struct, forbid_unknown_fields=True):
    """The credentials of a person.

    `refresh_token` says where the response puts the refresh token; programs choose `body`.
    """

    tenant: Text
    username: Text
    password: Text
    refresh_token: Literal["cookie", "body"] = "cookie"  # noqa: S105 -- a place, no secret


class LoginAnswer(msgspec.Struct, kw_only=True):
    """The tokens, as the token endpoint returns them (RFC 6749 section 5.1).

    `expires_in` is in seconds.
    """

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    refresh_token: Annotated[
        str | msgspec.UnsetType,
        msgspec.Meta(description="Present when the login asked for `body`."),
    ] = msgspec.UNSET


class Logout(msgspec.Struct, forbid_unknown_fields=True):
    """The refresh token of the session to end, for clients that do not keep it in the cookie."""

    refresh_token: Text | None = None


LOGIN = Operation(
    id="logIn",
    tag="sessions",
    summary="Log in with a password",
    description=(
        f"The response sets the refresh token as the cookie `{cookies.REFRESH_COOKIE}`, or has it "
        "in the body if the request asks for that. The response is the same for a wrong name, a "
        "wrong password and a disabled user. After some failures the person has to wait before "
        "the next login from the same network, each time longer (429, `Retry-After`). The service "
        "refuses requests from pages of another origin. If the person has too many sessions, the "
        "least recently used session ends."
    ),
    body=Login,
    answers={
        200: Answer(
            "The access token.",
            LoginAnswer,
            {
                "Set-Cookie": f"`{cookies.REFRESH_COOKIE}`: HttpOnly, Secure, SameSite=Strict.",
                "Cache-Control": "`no-store`.",
                "Vary": "`Cookie`.",
            },
        )
    },
    problems=(
        MALFORMED,
        LOGIN_REFUSED,
        CROSS_SITE,
        TENANT_SUSPENDED,
        UNSUPPORTED_MEDIA,
        UNPROCESSABLE,
        RATE_LIMITED,
        TOO_MANY_REVOCATIONS,
        UNAVAILABLE,
    ),
)
LOGOUT = Operation(
    id="logOut",
    tag="sessions",
    summary="End the session of a refresh token",
    description="The token is in the cookie or in the body. The response is the same if the "
    "session does not exist or has already ended.",
    body=Logout,
    body_required=False,
    answers={
        204: Answer("The session has ended.", None, {"Set-Cookie": "Deletes the cookie."}),
    },
    problems=(MALFORMED, CROSS_SITE, UNSUPPORTED_MEDIA, UNPROCESSABLE),
)


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the routes for login and logout."""
    routes = ProtectedBlueprint(
        "login",
        __name__,
        url_prefix="/auth",
        protection=public("names and password, or the refresh token, are the credential"),
    )
    gateway_url = context.settings.gateway_url

    @routes.before_request
    def protect() -> None:
        cookies.require_own_origin(request, gateway_url)

    @routes.post("/login")
    @operation(LOGIN)
    def login(body: Login) -> Response:
        opened = _log_in(context, body)
        answer = LoginAnswer(**person_token(context, opened, "password"))
        if body.refresh_token == "body":  # noqa: S105 -- a place, no secret
            answer.refresh_token = opened.refresh_token
            return json_response(answer)
        return _with_cookie(context, json_response(answer), opened)

    @routes.post("/logout")
    @operation(LOGOUT)
    def logout(body: Logout) -> Response:
        for token in (body.refresh_token, request.cookies.get(cookies.REFRESH_COOKIE)):
            if token:
                context.sessions.end_by_refresh(token)
        response = Response(status=204)
        cookies.clear(response)
        return response

    routes.after_request(cookies.private)
    return routes


def _with_cookie(context: AppContext, response: Response, opened: Opened) -> Response:
    """Put the refresh token into the cookie, and end the session of the cookie's old token."""
    if replaced := request.cookies.get(cookies.REFRESH_COOKIE):
        context.sessions.end_by_refresh(replaced)
    left = context.sessions.seconds_left(opened.session)
    cookies.put(response, opened.refresh_token, left)
    return response


def _log_in(context: AppContext, body: Login) -> Opened:
    device = Device(request.remote_addr or "", request.headers.get("User-Agent", ""))
    try:
        with trying(context, Account.person(body.tenant, body.username)):
            opened = context.sessions.log_in(body.tenant, body.username, body.password, device)
    except LoginRefused:
        raise LOGIN_REFUSED(
            "Tenant, name or password is wrong.",
            headers=(("WWW-Authenticate", 'Login realm="wharf"'),),
        ) from None
    except TenantSuspended:
        raise TENANT_SUSPENDED("The tenant is suspended.") from None
    g.outcome = "login"
    return opened
