"""The WSGI application: it calls the handlers of frequent requests directly, and Flask otherwise.

Most requests are a small `PUT` or the `GET` of a file. For these, Flask would take more time than
all other steps together. `http/answering.py` has the steps that these handlers share with Flask's
routes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from servicekit import metrics
from servicekit.problems import reason
from wharf_upload.domain.keys import path_bytes
from wharf_upload.http.answering import Answering
from wharf_upload.http.request import (
    FILE_ROUTE,
    FILES,
    Request,
    Response,
    names_file,
    raw_path,
)
from wharf_upload.routes.files import FileRoutes
from wharf_upload.routes.gateway import GatewayRoutes, takes_put

Handler = Callable[[Request], Response]
StartResponse = Callable[..., Any]
_begin, _end = metrics.in_progress.begin, metrics.in_progress.end


class FastPath:
    """Dispatches requests to `put` and `get` of `FileRoutes`, to `GatewayRoutes`, or to Flask."""

    def __init__(
        self, files: FileRoutes, gateway: GatewayRoutes, answering: Answering, app: Flask
    ) -> None:
        self._put, self._get = files.put, files.get
        self._gateway, self._answering, self._app = gateway, answering, app

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request by WSGI (PEP 3333)."""
        handler = self._handler(environ)
        if handler is None:
            if not metrics.is_internal(environ):
                # Flask must route by the path as the client sent it, because the gateway has
                # rewritten the path. PEP 3333: bytes are represented as Latin-1.
                environ["PATH_INFO"] = path_bytes(raw_path(environ)).decode("latin-1")
            return self._app.wsgi_app(environ, start_response)
        request = Request(environ, FILE_ROUTE)
        _begin(None)
        try:
            response = handler(request)
        except Exception as error:  # noqa: BLE001 -- every failure becomes a problem document
            response = self._answering.refuse(request, error)
        finally:
            _end()
        self._answering.finish(request, response)
        response.headers.append(("X-Request-Id", request.request_id))
        if response.body:
            response.headers.append(("Content-Length", str(len(response.body))))
        start_response(reason(response.status), response.headers)
        return (response.body,)

    def _handler(self, environ: dict[str, Any]) -> Handler | None:
        step = environ.get("WHARF_STEP")
        if step:
            return self._gateway.questions[step]
        method = environ["REQUEST_METHOD"]
        uri: str = environ.get("REQUEST_URI") or environ["PATH_INFO"]
        if method == "PUT" and not environ.get("SPOOL_FILE") and takes_put(uri):
            return self._put
        if method in ("GET", "HEAD") and uri.startswith(FILES):
            return self._get if names_file(uri.partition("?")[0]) else None
        return self._gateway.find(method, uri, environ)
