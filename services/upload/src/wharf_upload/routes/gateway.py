"""What the gateway has prepared: its own questions, spooled bodies, shared files, preflights.

They are answered below Flask, which would make a preflight twenty times and a spooled body half as
dear again (ADR 35). Who may is decided here, where each handler is named.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from servicekit.problems import TOKEN_MISSING
from servicekit.protection import Protection, public, scope
from servicekit.ratelimits import RateLimits
from wharf_upload.access.authorization import WRITE, Authorizer
from wharf_upload.downloads.shared import is_shared
from wharf_upload.http import admission_token
from wharf_upload.http.cors import applies
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
_ADMITTED = public("The gateway hands over the admission that it got before the body.")
_SHARED = public("The link, or the bucket's policy, is what lets anybody read.")
_NO_CREDENTIAL = public("It says which pages may read answers, and nothing of any file.")
#: Who may, by handler. The questions come from the gateway alone (`WHARF_STEP`).
PROTECTIONS: Mapping[str, Protection] = {
    "question admit": scope(WRITE, takes_tickets=True),
    "question share": _SHARED,
    "question cors": _NO_CREDENTIAL,
    "PUT spooled": _ADMITTED,
    "POST spooled": _ADMITTED,
    "GET shared": _SHARED,
    "OPTIONS": _NO_CREDENTIAL,
}


class Admitted:
    """Lets a handler answer requests that were admitted before their bodies."""

    def __init__(self, authorizer: Authorizer, rates: RateLimits) -> None:
        self._authorizer, self._rates = authorizer, rates

    def only(self, handler: Handler, route: str) -> Handler:
        """Return the handler behind the admission; `route` names it in the metrics."""

        def handle(request: Request) -> Response:
            request.route = TICKET_ROUTE if request.by_ticket else route
            admitted = admission_token.of_request(request)
            if admitted is None:
                raise TOKEN_MISSING("The body was not admitted.")
            request.principal = admitted.principal  # whose refusal it is, too
            request.principal = self._authorizer.recheck(admitted.principal)
            if admitted.length is None:
                # Came in chunks: counted against the bytes of this minute only now.
                with suppress(FileNotFoundError):  # the client has gone, and the gateway tidied up
                    size = os.stat(request.environ["SPOOL_FILE"]).st_size
                    self._rates.count_bytes(admitted.principal, size)
            return handler(request)

        return handle


class GatewayRoutes:
    """Finds the handler of what the gateway has prepared."""

    def __init__(
        self,
        admitted: Admitted,
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
        """Return the handler of a request; `None`: the request is Flask's."""
        if method == "OPTIONS" and applies(uri):
            return self._preflight
        if is_shared(uri):
            return self._shared
        if not environ.get("SPOOL_FILE"):
            return None
        if method == "POST" and uri.startswith((FILES, TICKETS)):
            return self._post
        return self._put if method == "PUT" and takes_put(uri) else None


def takes_put(uri: str) -> bool:
    """Tell whether a `PUT` to an address names a file: by its key, or by a ticket."""
    if uri.startswith(TICKETS):
        return True
    return uri.startswith(FILES) and names_file(uri.partition("?")[0])
