"""Converts requests and responses between Flask and the values of `http/request.py`."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Response as FlaskResponse
from flask import g
from flask import request as flask_request

from wharf_upload.http.answering import Answering
from wharf_upload.http.request import Request, Response


class PlainResponse(FlaskResponse):
    """A response with exactly the header fields that the code sets."""

    default_mimetype = None


def current() -> Request:
    """Return the `Request` of the request that Flask is handling."""
    found: Request | None = g.get("upload_request")
    if found is None:
        found = g.upload_request = Request(flask_request.environ, _rule())
        found.request_id = g.get("request_id") or found.request_id
        found.started = g.get("started") or time.perf_counter()
    if found.principal is None:
        found.principal = g.get("principal")
    return found


def refused(answering: Answering, error: Exception) -> FlaskResponse:
    """Return the response with the problem of an exception, as a document or a page."""
    response = answering.problem(current(), error)
    return PlainResponse(response.body, response.status, response.headers)


def finish_with(answering: Answering) -> Callable[[FlaskResponse], None]:
    """Return a function that completes each of Flask's responses."""

    def finish(response: FlaskResponse) -> None:
        request = current()
        request.outcome = request.outcome or g.get("outcome")
        added = Response(response.status_code, [])
        answering.finish(request, added)
        response.headers.extend(added.headers)
        response.headers["X-Request-Id"] = request.request_id

    return finish


def _rule() -> str:
    return flask_request.url_rule.rule if flask_request.url_rule else "(none)"
