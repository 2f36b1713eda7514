"""The WSGI application: the hottest routes straight away, everything else through Flask."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from flask import Flask

from servicekit import metrics, problems
from servicekit.problems import ProblemError, reason
from servicekit.web import who
from wharf_upload import cors, noted, protocols, signals, stages
from wharf_upload.domain.sharing import is_shared
from wharf_upload.exchange import (
    FILES,
    TICKETS,
    Exchange,
    Reply,
    names_file,
    path_bytes,
    raw_path,
    shown_path,
)
from wharf_upload.routes import admitting, files, forms, resuming, sharing
from wharf_upload.service import Service
from wharf_upload.translation import as_problem

Handler = Callable[[Service, Exchange], Reply]
StartResponse = Callable[..., Any]
_UPLOADS = frozenset(("PUT", "POST"))
FILE_ROUTE, FORM_ROUTE = "/v1/files/{bucket}/{key}", "/v1/files/{bucket}"
TICKET_ROUTE = "/u/{ticket}"
_begin, _end = metrics.in_progress.begin, metrics.in_progress.end


class Front:
    """Chooses the handler, renders problems, writes the log line and the metrics."""

    def __init__(self, service: Service, app: Flask) -> None:
        self._service, self._app = service, app

    @property
    def service(self) -> Service:
        """The parts that all handlers share."""
        return self._service

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """WSGI (PEP 3333)."""
        handler = self._handler(environ)
        if handler is None:
            _set_path(environ)
            return self._app.wsgi_app(environ, start_response)
        exchange = Exchange(environ, FILE_ROUTE)
        _begin(None)
        try:
            reply = handler(self._service, exchange)
        except Exception as error:  # noqa: BLE001 -- every failure becomes a problem document
            reply = self.refused(exchange, as_problem(error))
        finally:
            _end()
        self.share(exchange, reply)
        self.finish(exchange, reply.status)
        reply.headers.append(("X-Request-Id", exchange.request_id))
        if reply.body:
            reply.headers.append(("Content-Length", str(len(reply.body))))
        start_response(reason(reply.status), reply.headers)
        return (reply.body,)

    @staticmethod
    def _handler(environ: dict[str, Any]) -> Handler | None:
        step = environ.get("WHARF_STEP")
        if step:
            return _BY_STEP[step]
        uri: str = environ.get("REQUEST_URI") or environ["PATH_INFO"]
        method = environ["REQUEST_METHOD"]
        if method == "OPTIONS" and cors.applies(uri):
            return cors.preflight
        if is_shared(uri):
            return sharing.get_shared
        if uri.startswith(TICKETS):
            return _by_ticket(method, environ)
        return _of_files(uri, method, environ) if uri.startswith(FILES) else None

    def refused(self, exchange: Exchange, error: ProblemError) -> Reply:
        """The problem document; counted and told to whoever listens."""
        exchange.outcome = error.problem.slug
        metrics.refused(error.problem.slug)
        protocol = protocols.of(exchange)
        if protocol is not None:
            noted.uploads.note(((protocol, protocols.outcome(error.problem.status)), 1))
        if exchange.method in _UPLOADS:
            _tell_rejected(exchange, error)
        step = exchange.environ.get("WHARF_STEP")
        if step == "admit":
            return admitting.denial(error, exchange.request_id)
        if step:
            # A question of the gateway's: it makes the answer.
            return Reply(error.problem.status, [])
        headers = [
            ("Content-Type", problems.CONTENT_TYPE),
            ("Cache-Control", "no-store"),
            *error.headers,
        ]
        return Reply(error.problem.status, headers, error.body(exchange.request_id))

    def share(self, exchange: Exchange, reply: Reply) -> None:
        """Tells the gateway's log who asked, and which other pages may read the answer (`cors`)."""
        environ, principal = exchange.environ, exchange.principal
        if principal is not None:
            reply.headers.append(who(principal.tenant, principal.subject))
        step = environ.get("WHARF_STEP")
        if step == "admit" and reply.status == 403:
            origin = cors.allowed_origin(self._service, environ, exchange.principal)
            if origin is not None:
                reply.headers.append(("X-Denied-Allow-Origin", origin))
        elif not step and exchange.method != "OPTIONS" and cors.applies(raw_path(environ)):
            reply.headers.extend(cors.fields(self._service, environ, exchange.principal))

    def finish(self, exchange: Exchange, status: int) -> None:
        """The log line and the metrics of an answered request."""
        principal = exchange.principal
        seconds = time.perf_counter() - exchange.started
        metrics.observe(exchange.route, exchange.method, status, seconds)
        self._service.log.write(
            request_id=exchange.request_id,
            method=exchange.method,
            route=exchange.route,
            status=status,
            started=exchange.started,
            tenant=principal.tenant if principal else None,
            subject=principal.subject if principal else None,
            outcome=exchange.outcome,
            trace_id=exchange.environ.get("TRACE_ID"),
        )


def _of_files(uri: str, method: str, environ: dict[str, Any]) -> Handler | None:
    if method == "POST" and "SPOOL_FILE" in environ:
        return _receive_form
    # A listing is Flask's.
    return _BY_METHOD.get(method) if names_file(uri.partition("?")[0]) else None


def _by_ticket(method: str, environ: dict[str, Any]) -> Handler | None:
    if method == "POST" and "SPOOL_FILE" in environ:
        return _receive_form
    return _put if method == "PUT" else None


def _tell_rejected(exchange: Exchange, error: ProblemError) -> None:
    principal = exchange.principal
    signals.send(
        signals.rejected,
        principal.tenant if principal else "",
        slug=error.problem.slug,
        status=error.problem.status,
        subject=principal.subject if principal else "",
        path=shown_path(exchange.environ),
    )


def _set_path(environ: dict[str, Any]) -> None:
    """Flask routes by the path as it was sent: the gateway's own has been rewritten."""
    if not metrics.is_internal(environ):
        # PEP 3333: bytes as if they were Latin-1.
        environ["PATH_INFO"] = path_bytes(raw_path(environ)).decode("latin-1")


def _admit(service: Service, exchange: Exchange) -> Reply:
    exchange.route = "(admission)"
    admit = resuming.admit if resuming.is_resumable(exchange) else admitting.admit
    reply = admit(service, exchange)
    stages.ended(stages.ADMISSION, exchange.started)
    return reply


def _put(service: Service, exchange: Exchange) -> Reply:
    if exchange.by_ticket:
        exchange.route = TICKET_ROUTE
    spool_file = exchange.environ.get("SPOOL_FILE")
    if not spool_file:
        return files.put_file(service, exchange)
    _admitted(service, exchange)
    return files.receive_file(service, exchange, spool_file)


def _admitted(service: Service, exchange: Exchange) -> None:
    """Notes who was admitted before the body came, which may be hours ago."""
    admission = admitting.admitted(exchange.environ["ADMISSION"])
    exchange.principal = admission.principal
    # Expired meanwhile is no matter, revoked or suspended is.
    service.revocations.check(exchange.principal)
    if admission.length is None:
        # Came in chunks: counted against the bytes of this minute only now.
        with suppress(FileNotFoundError):  # the client has gone, and the gateway tidied up
            size = os.stat(exchange.environ["SPOOL_FILE"]).st_size
            service.limits.count_bytes(exchange.principal, size)


def _receive_form(service: Service, exchange: Exchange) -> Reply:
    exchange.route = TICKET_ROUTE if exchange.by_ticket else FORM_ROUTE
    _admitted(service, exchange)
    return forms.receive_form(service, exchange, exchange.environ["SPOOL_FILE"])


_BY_STEP: dict[str, Handler] = {
    "admit": _admit,
    "share": sharing.decide,
    "cors": cors.decide,
}
_BY_METHOD: dict[str, Handler] = {
    "GET": files.get_file,
    "HEAD": files.get_file,
    "PUT": _put,
}
