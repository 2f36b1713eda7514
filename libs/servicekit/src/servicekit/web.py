"""The Flask hooks of auth, upload and console: request ids, access, problems, logs, metrics."""

from __future__ import annotations

import functools
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from servicekit import access, metrics, problem_pages, problems
from servicekit.database import DatabaseUnavailable
from servicekit.ids import uuid7_hex
from servicekit.logs import RequestLog
from servicekit.problems import ProblemError
from servicekit.protected_routes import protection_of
from servicekit.tokens import Principal, Verifier

log = logging.getLogger(__name__)
# An environment without `Accept`, for which a problem is rendered as JSON.
_NOBODY: Mapping[str, Any] = {}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
_BY_STATUS = {
    problem.status: problem
    for problem in (
        problems.MALFORMED,
        problems.NOT_FOUND,
        problems.METHOD,
        problems.TOO_LARGE,
        problems.UNSUPPORTED_MEDIA,
        problems.UNPROCESSABLE,
    )
}


def json_response(content: object, status: int = 200) -> Response:
    """Return a JSON response with any object that msgspec can encode."""
    return Response(msgspec.json.encode(content), status, content_type="application/json")


def request_id(environ: dict[str, Any]) -> str:
    """Return the gateway's id of this request; without a gateway, as in unit tests, a new id."""
    given = environ.get("REQUEST_ID") or ""
    return given if _REQUEST_ID.match(given) else uuid7_hex()


@functools.lru_cache(maxsize=1024)
def who(tenant: str, subject: str) -> tuple[str, str]:
    """Return the header field that names the caller for the gateway's log.

    The gateway removes the field from the response.
    """
    shown = subject if subject.isascii() and subject.isprintable() else "(unprintable)"
    return ("X-Wharf-Who", f"{tenant}/{shown}")


def problem_response(
    error: ProblemError, identifier: str, environ: Mapping[str, Any] = _NOBODY
) -> Response:
    """Count a refusal; render it as a problem document, or as a page if the request wants it."""
    metrics.refused(error.problem.slug)
    content_type, body = problem_pages.render(error, identifier, environ)
    response = Response(body, error.problem.status, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    for name, value in error.headers:
        response.headers[name] = value
    return response


def as_problem(error: Exception) -> ProblemError:
    """Convert any exception to a problem; log unexpected exceptions."""
    if isinstance(error, HTTPException):
        error = _from_werkzeug(error)
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, DatabaseUnavailable):
        log.error("database unavailable: %s", error)
        return unavailable("The database does not respond.")
    log.error("unexpected error", exc_info=error)
    return problems.INTERNAL("The service failed to handle this request.")


def unavailable(detail: str, retry_after_seconds: int = 1) -> ProblemError:
    """Return the 503 problem with the header field `Retry-After`."""
    return problems.UNAVAILABLE(
        detail,
        headers=(("Retry-After", str(retry_after_seconds)),),
        retry_after=retry_after_seconds,
    )


def install(
    app: Flask,
    service_log: RequestLog,
    verifier: Verifier | None,
    checker: access.RevocationChecker | None = None,
    finish: Callable[[Response], None] | None = None,
) -> None:
    """Install the hooks for all routes; `checker` refuses tokens that are no longer accepted.

    Every route needs a valid token unless it is registered as public (`servicekit.protection`).
    `g.principal` is the caller, or `None`. `finish` replaces the hook that writes the log line and
    the metrics of each response.
    """
    # An address with a doubled slash is a different address. Werkzeug would redirect it before the
    # service checks the token.
    app.url_map.merge_slashes = False

    @app.before_request
    def begin() -> None:
        metrics.in_progress.begin(None)
        g.in_progress = True
        g.started = time.perf_counter()
        g.request_id = request_id(request.environ)
        g.principal = None
        view = app.view_functions.get(request.endpoint or "")
        if verifier is not None and view is not None and not protection_of(view).is_open:
            g.principal = access.authenticate(request.environ, verifier, checker)

    @app.after_request
    def end(response: Response) -> Response:
        if finish is None:
            _finish(response, service_log)
        else:
            finish(response)
        return response

    @app.teardown_request
    def gone(_: BaseException | None) -> None:
        if g.pop("in_progress", False):
            metrics.in_progress.end()

    app.register_error_handler(Exception, render)


def _finish(response: Response, service_log: RequestLog) -> None:
    started = getattr(g, "started", None)
    if started is None:
        g.request_id, started = request_id(request.environ), time.perf_counter()
    response.headers["X-Request-Id"] = g.request_id
    rule = request.url_rule.rule if request.url_rule else "(none)"
    metrics.observe(rule, request.method, response.status_code, time.perf_counter() - started)
    principal: Principal | None = getattr(g, "principal", None)
    if principal is not None:
        response.headers.add(*who(principal.tenant, principal.subject))
    service_log.write(
        request_id=g.request_id,
        method=request.method,
        route=rule,
        status=response.status_code,
        started=started,
        tenant=principal.tenant if principal else None,
        subject=principal.subject if principal else None,
        outcome=getattr(g, "outcome", None),
        trace_id=request.environ.get("TRACE_ID"),
    )


def render(
    error: Exception, translate: Callable[[Exception], ProblemError] = as_problem
) -> Response:
    """Return the response to any exception; a service may replace `as_problem` by `translate`."""
    problem = translate(error)
    if "request_id" not in g:
        g.request_id = request_id(request.environ)
    g.outcome = problem.problem.slug
    return problem_response(problem, g.request_id, request.environ)


def _from_werkzeug(error: HTTPException) -> Exception:
    problem = _BY_STATUS.get(error.code or 500)
    if problem is None:
        return error
    headers: tuple[tuple[str, str], ...] = ()
    if problem is problems.METHOD:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        headers = (("Allow", allowed),)
    return problem(problem.description, headers=headers)
