"""Errors of the OAuth endpoints (RFC 6749 section 5.2); OAuth clients read the member `error`."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, g, request

from servicekit.web import as_problem, json_response, problem_response


class OAuthError(Exception):
    """An error of an OAuth endpoint (RFC 6749 section 5.2)."""

    def __init__(
        self,
        code: str,
        description: str,
        status: int = 400,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.code, self.description = code, description
        self.status, self.headers = status, headers


class ErrorAnswer(msgspec.Struct):
    """The body of an error response (RFC 6749 section 5.2)."""

    error: str
    error_description: str


def install(routes: Blueprint) -> None:
    """Install error handlers that turn every exception into a response for OAuth clients."""
    routes.register_error_handler(OAuthError, _render)
    routes.register_error_handler(Exception, _render_other)


def refuse_repeated() -> None:
    """Raise `OAuthError` if the form repeats a parameter (RFC 6749 section 3.2)."""
    for name in request.form:
        if len(request.form.getlist(name)) > 1:
            # The client chose the name: it must not break the line in the log, nor be long.
            raise OAuthError("invalid_request", f"The parameter {name[:40]!a} is repeated.")


def required(name: str) -> str:
    """Return a parameter of the form; raise `OAuthError` if it is missing or empty."""
    value = request.form.get(name)
    if not value:
        raise OAuthError("invalid_request", f"The parameter {name} is missing.")
    return value


def unavailable(description: str) -> OAuthError:
    """Return the error for a request that the client should retry after one second."""
    return OAuthError("temporarily_unavailable", description, 503, (("Retry-After", "1"),))


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
    """Return a problem document that also has OAuth's members.

    OAuth clients read the member `error`; they take a response without it for a success.
    """
    problem = as_problem(error)
    status = problem.problem.status
    code = "invalid_request" if status < 429 else "temporarily_unavailable"
    if status == 500:
        code = "server_error"
    problem.members |= {"error": code, "error_description": problem.detail}
    g.outcome = problem.problem.slug
    return problem_response(problem, g.request_id)
