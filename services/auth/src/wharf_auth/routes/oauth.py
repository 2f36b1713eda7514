"""`/auth/oauth`: tokens given, revoked and looked into. The grants are in `routes/grants/`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from flask import Blueprint, Response, request

from servicekit.operations import Answer, Content, Operation, operation
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import public
from wharf_auth.context import AppContext
from wharf_auth.problems import CROSS_SITE
from wharf_auth.routes import cookies, oauth_errors
from wharf_auth.routes.client_login import logged_in
from wharf_auth.routes.grants import GRANTS
from wharf_auth.routes.grants.issuing import TokenAnswer
from wharf_auth.routes.grants.token_exchange import ACCESS_TOKEN
from wharf_auth.routes.oauth_errors import ErrorAnswer, OAuthError, refuse_repeated, required

FORM = "application/x-www-form-urlencoded"
_RETRY = {"Retry-After": "In seconds."}


class TokenRequest(msgspec.Struct):
    """The form. A client sends id and secret either here or by HTTP Basic."""

    grant_type: str
    scope: Annotated[
        str | None,
        msgspec.Meta(description="Space-separated; some of the client's scopes. Default: all."),
    ] = None
    client_id: str | None = None
    client_secret: str | None = None
    subject_token: Annotated[
        str | None, msgspec.Meta(description="Token exchange: the token to be narrowed.")
    ] = None
    subject_token_type: Annotated[
        str | None, msgspec.Meta(description=f"Token exchange: `{ACCESS_TOKEN}`.")
    ] = None
    ticket: Annotated[
        str | None,
        msgspec.Meta(
            description="Token exchange: JSON that says what the upload ticket allows: `bucket`, "
            "`key` or `prefix`, `methods`, `max_file_bytes`, `allowed_types`, `max_files`, "
            "`redirect`, `create_only`."
        ),
    ] = None
    audience: Annotated[
        Literal["upload", "live"] | None,
        msgspec.Meta(
            description="Token exchange: `live` gives a token that listens to the live channel "
            "and is refused everywhere else. Default: `upload`."
        ),
    ] = None
    expires_in: Annotated[
        str | None,
        msgspec.Meta(
            description="Token exchange: the longest life, in seconds. The new token ends "
            "earlier where the subject token does: only a ticket made with a token of a login, a "
            "secret or a refresh token may outlive that one, though not the person's session."
        ),
    ] = None
    refresh_token: Annotated[
        str | None,
        msgspec.Meta(
            description="A person's, good for one use; pages of this origin have it in a cookie."
        ),
    ] = None


TOKEN = Operation(
    id="createToken",
    tag="tokens",
    summary="Get an access token",
    description=(
        "The client proves itself by HTTP Basic (preferred) or in the form; for a token exchange "
        "(RFC 8693) the subject token is proof enough, for a person's session its refresh token. "
        "Errors are JSON as "
        "in RFC 6749 section 5.2; after too many failures the answer is 429 for a while."
    ),
    body=Content(FORM, msgspec.json.schema(TokenRequest)["$defs"]["TokenRequest"]),
    answers={
        200: Answer("The token.", TokenAnswer, {"Cache-Control": "`no-store`."}),
        400: Answer("`invalid_request`, `invalid_scope` and others.", ErrorAnswer),
        401: Answer("`invalid_client`.", ErrorAnswer, {"WWW-Authenticate": "A Basic challenge."}),
        429: Answer("Too many failures.", ErrorAnswer, _RETRY),
        503: Answer("Logins cannot be checked now.", ErrorAnswer, _RETRY),
    },
    problems=(CROSS_SITE,),
)


def blueprint(context: AppContext) -> Blueprint:
    """The routes under `/auth/oauth`."""
    routes = ProtectedBlueprint(
        "oauth",
        __name__,
        url_prefix="/auth/oauth",
        protection=public("the grant's own credential is checked"),
    )
    oauth_errors.install(routes)

    @routes.post("/token")
    @operation(TOKEN)
    def token() -> Response:
        refuse_repeated()
        grant = GRANTS.get(required("grant_type"))
        if grant is None:
            # Strangers are not told what there is.
            logged_in(context)
            raise OAuthError("unsupported_grant_type", f"There are {', '.join(GRANTS)}.")
        return grant(context)

    @routes.after_request
    def private(response: Response) -> Response:
        return cookies.private(response) if request.endpoint == "oauth.token" else response

    return routes
