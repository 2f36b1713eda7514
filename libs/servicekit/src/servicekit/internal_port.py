"""The service's own internal port for metrics and health, for containers without a gateway.

In a container uWSGI listens on a second socket that speaks HTTP (`http-socket` in `uwsgi.ini`).
Requests to this port need no credentials, so the port serves only a few addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_METHODS = frozenset(("GET", "HEAD"))


def guarded(application: Application, paths: Mapping[str, str]) -> Application:
    """Wrap the application, so that requests to the internal port reach only `paths`.

    Args:
        application: the application; requests of the gateway reach all of it.
        paths: paths of the internal port, each with the application's path that serves it.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # The gateway sets REQUEST_ID for every request. An HTTP client cannot set it, since it
        # lacks the prefix HTTP_.
        if "REQUEST_ID" in environ:
            return application(environ, start_response)
        path = paths.get(environ["PATH_INFO"])
        if path is None or environ["REQUEST_METHOD"] not in _METHODS:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return (b"Nothing is here.\n",)
        query = environ.get("QUERY_STRING")
        environ["PATH_INFO"] = path
        environ["REQUEST_URI"] = f"{path}?{query}" if query else path
        environ["WHARF_INTERNAL"] = "1"
        return application(environ, start_response)

    return answer
