"""A request that is long work: it waits for its turn without occupying a thread (ADR 62)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wharf_upload.http.request import Request, Response

# A location of `snippets/finish.conf`.
_LOCATION = "@finish"
# The route of this response in the metrics. The client gets the response of the other process.
_ROUTE = "(hand-over)"


class LongWork(NamedTuple):
    """A function that makes a response; it runs in the turn of `tenant`."""

    tenant: str
    run: Callable[[], Response]


def can_hand_over(request: Request) -> bool:
    """Tell whether the gateway can pass a spooled request on to the process for long work."""
    return bool(request.environ.get("WHARF_HAND_OVER"))


def hand_over(request: Request) -> Response:
    """Return the response that makes the gateway pass a spooled request on.

    The method and the spool file stay the same, because nginx changes neither in a redirect to a
    named location.
    """
    request.route, request.outcome = _ROUTE, "handed-over"
    return Response(200, [("X-Accel-Redirect", _LOCATION)])
