"""Handlers of requests from the gateway: questions, spooled bodies, shared files, preflights.

These handlers do not use Flask: with Flask, a preflight request would cost twenty times as much,
and a spooled body one and a half times as much (ADR 35). `PROTECTIONS` names the permission that
each handler requires.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from servicekit.problems import NOT_FOUND, TOKEN_MISSING
from servicekit.protection import Protection, public, scope
from servicekit.ratelimits import RateLimits
from wharf_upload.access.authorization import WRITE, Authorizer
from wharf_upload.domain.long_work import LongWorkRule, TakesLong
from wharf_upload.downloads.shared import is_shared
from wharf_upload.http import admission_token
from wharf_upload.http.admission_token import Admitted
from wharf_upload.http.cors import applies
from wharf_upload.http.long_work import can_hand_over, hand_over
from wharf_upload.http.request import (
    FILE_ROUTE,
    FILES,
    FORM_ROUTE,
    TICKET_ROUTE,
    TICKETS,
    Request,
    Response,
    names_file,
)
from wharf_upload.routes.admission import AdmissionQuestion
from wharf_upload.routes.cross_origin import CrossOriginRoutes
from wharf_upload.routes.files import FileRoutes
from wharf_upload.routes.forms import FormRoutes
from wharf_upload.routes.shared import SharedRoutes

Handler = Callable[[Request], Response]
_ADMITTED = public("The gateway sends the admission that it received before the body.")
_SHARED = public("The link or the bucket's policy permits anyone to read.")
_NO_CREDENTIAL = public("It tells which pages may read responses, and reveals no file.")
#: The protection of each handler. Only the gateway sends the questions (`WHARF_STEP`).
PROTECTIONS: Mapping[str, Protection] = {
    "question admit": scope(WRITE, takes_tickets=True),
    "question share": _SHARED,
    "question cors": _NO_CREDENTIAL,
    "PUT spooled": _ADMITTED,
    "POST spooled": _ADMITTED,
    "GET shared": _SHARED,
    "OPTIONS": _NO_CREDENTIAL,
}


class AdmittedOnly:
    """Restricts a handler to requests that were admitted before their bodies."""

    def __init__(
        self,
        authorizer: Authorizer,
        rates: RateLimits,
        long_work: LongWorkRule,
        give_back: Callable[[str], None],
    ) -> None:
        """Take `give_back`, which ends the reservation of a body."""
        self._authorizer, self._rates, self._long_work = authorizer, rates, long_work
        self._give_back = give_back

    def only(self, handler: Handler, route: str) -> Handler:
        """Return the handler for admitted requests only; `route` is its name in the metrics.

        If the request is long work, the gateway passes it on to the process for long work, which
        calls the returned handler again. In this case only that process ends the reservation and
        counts the body against the rate limits, so each of these steps happens once.
        """

        def handle(request: Request) -> Response:
            request.route = TICKET_ROUTE if request.by_ticket else route
            admitted = admission_token.of_request(request)
            if admitted is None:
                raise TOKEN_MISSING("The body was not admitted.")
            request.principal = admitted.principal  # A refusal also belongs to this principal.
            request.room = admitted.reservation
            size = _size_of(request)
            if can_hand_over(request) and self._long_work.takes_long(size):
                return hand_over(request)
            try:
                response = self._handled(handler, request, admitted, size)
            except TakesLong:
                return hand_over(request)
            except BaseException:
                self._give_back(admitted.reservation)
                raise
            self._give_back(admitted.reservation)
            return response

        return handle

    def _handled(
        self, handler: Handler, request: Request, admitted: Admitted, size: int
    ) -> Response:
        request.principal = self._authorizer.recheck(admitted.principal)
        if admitted.length is not None:
            return handler(request)
        try:
            response = handler(request)
        except TakesLong:
            raise
        except BaseException:
            self._rates.count_bytes(admitted.principal, size)
            raise
        # A chunked body counts against the bytes of this minute only now, when its size is known.
        self._rates.count_bytes(admitted.principal, size)
        return response


def _size_of(request: Request) -> int:
    """Return the size of the spool file in bytes; 0 if it was deleted."""
    with suppress(FileNotFoundError):  # The client disconnected, and the gateway deleted the file.
        return os.stat(request.environ["SPOOL_FILE"]).st_size
    return 0


class GatewayRoutes:
    """Finds the handler of a request that the gateway has prepared."""

    def __init__(
        self,
        admitted: AdmittedOnly,
        admission: AdmissionQuestion,
        files: FileRoutes,
        forms: FormRoutes,
        shared: SharedRoutes,
        cross_origin: CrossOriginRoutes,
    ) -> None:
        self.questions: Mapping[str, Handler] = {
            "admit": admission.admit,
            "share": shared.decide,
            "cors": cross_origin.decide,
        }
        self._put = admitted.only(files.put_spooled, FILE_ROUTE)
        self._post = admitted.only(forms.post_spooled, FORM_ROUTE)
        self._shared, self._preflight = shared.get, cross_origin.preflight

    def find(self, method: str, uri: str, environ: Mapping[str, Any]) -> Handler | None:
        """Return the handler of a request, or `None` if Flask handles it."""
        if method == "OPTIONS" and applies(uri):
            return self._preflight
        if is_shared(uri):
            return self._shared
        return self._find_spooled(method, uri) if environ.get("SPOOL_FILE") else None

    def finish(self, request: Request) -> Response:
        """Return the response to a spooled request that was passed on as long work."""
        handler = self._find_spooled(request.method, request.environ["REQUEST_URI"])
        if handler is None:
            raise NOT_FOUND("Nothing is here.")
        return handler(request)

    def _find_spooled(self, method: str, uri: str) -> Handler | None:
        if method == "POST" and uri.startswith((FILES, TICKETS)):
            return self._post
        return self._put if method == "PUT" and takes_put(uri) else None


def takes_put(uri: str) -> bool:
    """Tell whether a `PUT` to an address names a file, by its key or by a ticket."""
    if uri.startswith(TICKETS):
        return True
    return uri.startswith(FILES) and names_file(uri.partition("?")[0])
