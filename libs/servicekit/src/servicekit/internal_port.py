"""A port of the service's own for metrics and health: for places where no gateway stands before it.

In a container uWSGI listens on a second socket, which speaks HTTP (`http-socket` in `uwsgi.ini`).
Whoever reaches it is asked for nothing, so it answers a few addresses and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_METHODS = frozenset(("GET", "HEAD"))


def guarded(application: Application, paths: Mapping[str, str]) -> Application:
    """The application, of which the internal port sees nothing but `paths`.

    Args:
        application: all of it; for requests of the gateway.
        paths: addresses of the internal port, and those of the application that they stand for.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # The gateway sets it on every request, and no HTTP client can: it lacks the prefix HTTP_.
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
