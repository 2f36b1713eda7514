"""The steps for every response of the service: problems, CORS, the log line, the metrics."""

from __future__ import annotations

import time

from servicekit import metrics, problem_pages
from servicekit.logs import RequestLog
from servicekit.problems import ProblemError
from servicekit.web import who
from wharf_upload import signals
from wharf_upload.domain import redirects
from wharf_upload.domain.resumable_upload import AtAnotherReplica
from wharf_upload.http import admission_token, passing_on, upload_protocol
from wharf_upload.http.cors import CrossOrigin, applies
from wharf_upload.http.errors import as_problem
from wharf_upload.http.request import Request, Response, raw_path, shown_path

_UPLOADS = frozenset(("PUT", "POST"))


class Answering:
    """Completes responses: of the fast path, of gateway questions, of streams and of Flask."""

    def __init__(self, log: RequestLog, cross_origin: CrossOrigin) -> None:
        self.log, self._cross_origin = log, cross_origin

    def refuse(self, request: Request, error: Exception) -> Response:
        """Return the response to a failed upload or download, and count the failure.

        For `PUT` and `POST`, also notify the receivers of signals. If another replica has the
        upload, return the response that makes the gateway pass the request on.
        """
        if isinstance(error, AtAnotherReplica):
            found = passing_on.answer(request, error)
            if isinstance(found, Response):
                return found
            error = found
        problem = _problem_of(request, error)
        _count(request, problem)
        upload_protocol.note_refused(request, problem.problem.status)
        if request.method in _UPLOADS:
            _tell_rejected(request, problem)
        step = request.environ.get("WHARF_STEP")
        if step == "admit":
            return admission_token.denial(
                problem, request.request_id, request.environ, _way_back(request)
            )
        if step:
            # This is a gateway question; the gateway makes the response for the client.
            return Response(problem.problem.status, [])
        return _told(request, problem)

    def problem(self, request: Request, error: Exception) -> Response:
        """Return the problem of any exception, as a document or a page, and count it."""
        problem = _problem_of(request, error)
        _count(request, problem)
        return _told(request, problem)

    def finish(self, request: Request, response: Response) -> None:
        """Write the log line, record the metrics, add the fields for the gateway's log and CORS."""
        self._share(request, response)
        principal = request.principal
        status = response.status
        metrics.observe(
            request.route, request.method, status, time.perf_counter() - request.started
        )
        self.log.write(
            request_id=request.request_id,
            method=request.method,
            route=request.route,
            status=status,
            started=request.started,
            tenant=principal.tenant if principal else None,
            subject=principal.subject if principal else None,
            outcome=request.outcome,
            trace_id=request.environ.get("TRACE_ID"),
        )

    def _share(self, request: Request, response: Response) -> None:
        """Add the fields for the gateway's log (tenant and subject), and the CORS fields."""
        environ, principal = request.environ, request.principal
        if principal is not None:
            response.headers.append(who(principal.tenant, principal.subject))
        step = environ.get("WHARF_STEP")
        if step == "admit" and response.status == 403:
            origin = self._cross_origin.allowed(environ, principal)
            if origin is not None:
                response.headers.append(("X-Denied-Allow-Origin", origin))
        elif not step and request.method != "OPTIONS" and applies(raw_path(environ)):
            response.headers.extend(self._cross_origin.fields(environ, principal, request.shown))


def _problem_of(request: Request, error: Exception) -> ProblemError:
    caller = request.principal
    return as_problem(error) if caller is None else as_problem(error, caller.reach)


def _count(request: Request, problem: ProblemError) -> None:
    request.outcome = problem.problem.slug
    metrics.refused(problem.problem.slug)


def _told(request: Request, problem: ProblemError) -> Response:
    content_type, body = problem_pages.render(
        problem, request.request_id, request.environ, _way_back(request)
    )
    headers = [
        ("Content-Type", content_type),
        ("Cache-Control", "no-store"),
        *problem.headers,
    ]
    return Response(problem.problem.status, headers, body)


def _way_back(request: Request) -> str | None:
    """Return the link on the page of a refusal, or `None`.

    The link leads to the form's allowed `redirect`, else to the page with the form (`Referer`),
    else to the page of the ticket.
    """
    if request.way_back is not None or request.principal is None:
        return request.way_back
    return request.header("REFERER") or redirects.page_of(request.principal.ticket)


def _tell_rejected(request: Request, error: ProblemError) -> None:
    principal = request.principal
    signals.send(
        signals.rejected,
        principal.tenant if principal else "",
        slug=error.problem.slug,
        status=error.problem.status,
        subject=principal.subject if principal else "",
        path=shown_path(request.environ),
    )
