"""`POST /auth/oauth/token`: the token endpoint, whose grants are in `routes/grants/`."""

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
    """The form. The client sends its id and secret either here or by HTTP Basic."""

    grant_type: str
    scope: Annotated[
        str | None,
        msgspec.Meta(description="Space-separated; some of the client's scopes. Default: all."),
    ] = None
    client_id: str | None = None
    client_secret: str | None = None
    subject_token: Annotated[
        str | None, msgspec.Meta(description="Token exchange: the token to narrow.")
    ] = None
    subject_token_type: Annotated[
        str | None, msgspec.Meta(description=f"Token exchange: `{ACCESS_TOKEN}`.")
    ] = None
    ticket: Annotated[
        str | None,
        msgspec.Meta(
            description="Token exchange: the rules of the upload ticket as JSON: `bucket`, "
            "`key` or `prefix`, `methods`, `max_file_bytes`, `allowed_types`, `max_files`, "
            "`redirect`, `create_only`."
        ),
    ] = None
    audience: Annotated[
        Literal["upload", "live"] | None,
        msgspec.Meta(
            description="Token exchange: with `live` the new token is for the live channel, and "
            "all other services refuse it. Default: `upload`."
        ),
    ] = None
    expires_in: Annotated[
        str | None,
        msgspec.Meta(
            description="Token exchange: the longest life of the new token, in seconds. The new "
            "token ends at the latest when the subject token ends. One exception: a ticket that "
            "is made from the token of a login, a secret or a refresh token may outlive this "
            "token, but not the person's session."
        ),
    ] = None
    refresh_token: Annotated[
        str | None,
        msgspec.Meta(
            description="The refresh token of a person, valid for one use. Pages of this origin "
            "send it in a cookie instead."
        ),
    ] = None


TOKEN = Operation(
    id="createToken",
    tag="tokens",
    summary="Get an access token",
    description=(
        "The client sends its credentials by HTTP Basic (preferred) or in the form. A token "
        "exchange (RFC 8693) needs only the subject token, and the session of a person only the "
        "refresh token. Errors are JSON as in RFC 6749 section 5.2. After too many failures the "
        "response is 429 for some time."
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
    """Return the blueprint with the routes under `/auth/oauth`."""
    routes = ProtectedBlueprint(
        "oauth",
        __name__,
        url_prefix="/auth/oauth",
        protection=public("each grant checks the credentials itself"),
    )
    oauth_errors.install(routes)

    @routes.post("/token")
    @operation(TOKEN)
    def token() -> Response:
        refuse_repeated()
        grant = GRANTS.get(required("grant_type"))
        if grant is None:
            # Only a client that has authenticated learns which grants exist.
            logged_in(context)
            raise OAuthError("unsupported_grant_type", f"The grant types are {', '.join(GRANTS)}.")
        return grant(context)

    @routes.after_request
    def private(response: Response) -> Response:
        return cookies.private(response) if request.endpoint == "oauth.token" else response

    return routes
