"""`OPTIONS`, and the gateway's questions about origins; see `http/cors.py`."""

from __future__ import annotations

from wharf_upload.downloads.shared import is_shared
from wharf_upload.http.cors import READ_METHODS, SENT, WRITE_METHODS, CrossOrigin
from wharf_upload.http.request import UPLOADS, Headers, Request, Response, raw_path
from wharf_upload.routes import tus
from wharf_upload.routes.ietf_resumable import UploadLimits

_PREFLIGHT_SECONDS = "600"
_AGE_SECONDS = "2"


class CrossOriginRoutes:
    """Handles questions about origins; none of them needs a credential."""

    def __init__(self, cross_origin: CrossOrigin, limits: UploadLimits) -> None:
        self._cross_origin, self._limits = cross_origin, limits

    def preflight(self, request: Request) -> Response:
        """Return the response to an `OPTIONS` preflight request (Fetch section 3.2.2)."""
        request.route, request.outcome = "(preflight)", "answered"
        path = raw_path(request.environ)
        methods = READ_METHODS if is_shared(path) else WRITE_METHODS
        headers: Headers = [
            ("Allow", f"{methods}, OPTIONS"),
            ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        ]
        origin = self._cross_origin.allowed(request.environ, None)
        if origin is not None:
            headers += [
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Allow-Methods", methods),
                ("Access-Control-Allow-Headers", SENT),
                ("Access-Control-Max-Age", _PREFLIGHT_SECONDS),
            ]
        if path.startswith(UPLOADS):
            headers += [*tus.options(self._limits.max_file_bytes), self._limits.field()]
        return Response(204, headers)

    def decide(self, request: Request) -> Response:
        """Tell whether a page may read a refusal by the gateway; nginx caches the response."""
        request.route, request.outcome = "(cors)", "decided"
        headers: Headers = [("X-Accel-Expires", _AGE_SECONDS)]
        origin = self._cross_origin.allowed(request.environ, None)
        if origin is not None:
            headers.append(("X-Allow-Origin", origin))
        return Response(204, headers)
