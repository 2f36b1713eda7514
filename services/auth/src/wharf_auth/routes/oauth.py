"""`POST /auth/oauth/token`: tokens for programs (RFC 6749 section 4.4)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated

import msgspec
from flask import Blueprint, Response, g, request
from prometheus_client import Counter

from servicekit.operations import Answer, Content, Operation, operation
from servicekit.problems import ProblemError
from servicekit.web import as_problem, json_response, problem_response
from wharf_auth.domain import clients, scopes, tokens
from wharf_auth.domain.secrets import HashingBusy
from wharf_auth.records.base import Client
from wharf_auth.routes import Parts
from wharf_auth.routes.credentials import Credentials, OAuthError, credentials_of

log = logging.getLogger(__name__)

ISSUED = Counter("wharf_auth_tokens_issued_total", "Access tokens issued.", ("grant",))
LOGINS_FAILED = Counter("wharf_auth_logins_failed_total", "Logins refused, by reason.", ("reason",))

CLIENT_CREDENTIALS = "client_credentials"
FORM = "application/x-www-form-urlencoded"


class TokenRequest(msgspec.Struct):
    """The form. A client sends id and secret either here or by HTTP Basic."""

    grant_type: str
    scope: Annotated[
        str | None,
        msgspec.Meta(description="Space-separated; some of the client's scopes. Default: all."),
    ] = None
    client_id: str | None = None
    client_secret: str | None = None


class TokenAnswer(msgspec.Struct):
    """RFC 6749 section 5.1; `expires_in` is in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str


class ErrorAnswer(msgspec.Struct):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str


TOKEN = Operation(
    summary="Get an access token",
    description=(
        "The client proves itself by HTTP Basic (preferred) or in the form. Errors are JSON as "
        "in RFC 6749 section 5.2; after too many failures the answer is 429 for a while."
    ),
    public=True,
    body=Content(FORM, msgspec.json.schema(TokenRequest)["$defs"]["TokenRequest"]),
    answers={
        200: Answer("The token.", TokenAnswer, {"Cache-Control": "`no-store`."}),
        400: Answer("`invalid_request`, `invalid_scope` and others.", ErrorAnswer),
        401: Answer("`invalid_client`.", ErrorAnswer, {"WWW-Authenticate": "A Basic challenge."}),
        429: Answer("Too many failures.", ErrorAnswer, {"Retry-After": "In seconds."}),
        503: Answer("Logins cannot be checked now.", ErrorAnswer, {"Retry-After": "In seconds."}),
    },
)


def blueprint(parts: Parts) -> Blueprint:
    """The routes under `/auth/oauth`."""
    routes = Blueprint("oauth", __name__, url_prefix="/auth/oauth")

    @routes.post("/token")
    @operation(TOKEN)
    def token() -> Response:
        credentials = credentials_of(request)
        form = request.form
        for name in form:
            if len(form.getlist(name)) > 1:
                raise OAuthError("invalid_request", f"The parameter {_shown(name)} is repeated.")
        grant = form.get("grant_type")
        if not grant:
            raise OAuthError("invalid_request", "The parameter grant_type is missing.")
        client = _login(parts, credentials)
        if grant != CLIENT_CREDENTIALS:
            raise OAuthError("unsupported_grant_type", f"There is only {CLIENT_CREDENTIALS}.")
        return _issue(parts, client, form.get("scope"))

    routes.register_error_handler(OAuthError, _render)
    routes.register_error_handler(Exception, _render_other)
    return routes


def _login(parts: Parts, credentials: Credentials) -> Client:
    address = request.remote_addr or ""
    _counting(lambda: parts.throttle.check(credentials.client_id, address))
    try:
        return clients.authenticate(parts.records, parts.hasher, credentials.readings)
    except clients.LoginRefused:
        LOGINS_FAILED.labels("refused").inc()
        _counting(lambda: parts.throttle.failed(credentials.client_id, address))
        raise OAuthError(
            "invalid_client", "The client is not known, or its secret is wrong.", 401
        ) from None
    except clients.TenantSuspended:
        LOGINS_FAILED.labels("suspended").inc()
        raise OAuthError("unauthorized_client", "The client's tenant is suspended.") from None
    except HashingBusy:
        LOGINS_FAILED.labels("busy").inc()
        raise _unavailable("Too many logins at once.") from None


def _counting(count: Callable[[], None]) -> None:
    """Counts failed logins, or lets nobody in: a storage that is down must not open the door."""
    try:
        count()
    except ProblemError:
        LOGINS_FAILED.labels("throttled").inc()
        raise
    except Exception as error:  # noqa: BLE001 -- each storage has exceptions of its own
        log.warning("failed logins cannot be counted: %s", error)
        LOGINS_FAILED.labels("uncountable").inc()
        raise _unavailable("Logins cannot be checked now.") from None


def _issue(parts: Parts, client: Client, wanted: str | None) -> Response:
    try:
        granted = scopes.narrowed(client.scopes, wanted)
    except scopes.UnknownScope:
        raise OAuthError(
            "invalid_scope", f"The client has the scopes {' '.join(client.scopes)}."
        ) from None
    ttl = parts.settings.token_ttl_seconds
    claims = tokens.claims(
        issuer=parts.settings.issuer,
        tenant=client.tenant,
        subject=client.id,
        scopes=granted,
        now=int(parts.clock()),
        ttl_seconds=ttl,
    )
    ISSUED.labels(CLIENT_CREDENTIALS).inc()
    response = json_response(TokenAnswer(parts.keys.sign(claims), "Bearer", ttl, claims["scope"]))
    response.headers["Cache-Control"] = "no-store"
    return response


def _unavailable(description: str) -> OAuthError:
    return OAuthError("temporarily_unavailable", description, 503, (("Retry-After", "1"),))


def _shown(name: str) -> str:
    # The name is the client's: it must neither break the line nor be long.
    return ascii(name[:40])


def _render(error: OAuthError) -> Response:
    g.outcome = error.code
    response = json_response(ErrorAnswer(error.code, error.description), error.status)
    response.headers["Cache-Control"] = "no-store"
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="wharf", charset="UTF-8"'
    for name, value in error.headers:
        response.headers[name] = value
    return response


def _render_other(error: Exception) -> Response:
    """A problem with OAuth's members, since clients look for `error` and take all else for good."""
    problem = as_problem(error)
    status = problem.problem.status
    code = "invalid_request" if status < 429 else "temporarily_unavailable"
    if status == 500:
        code = "server_error"
    problem.members |= {"error": code, "error_description": problem.detail}
    g.outcome = problem.problem.slug
    return problem_response(problem, g.request_id)
