"""A request whose answer takes long: it waits for its turn without a thread (ADR 62)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wharf_upload.http.request import Request, Response

# Of `snippets/finish.conf`.
_LOCATION = "@finish"
# A label of metrics: the answer that counts is the other one.
_ROUTE = "(hand-over)"


class LongWork(NamedTuple):
    """Work that makes an answer; `tenant` is whose turn it takes."""

    tenant: str
    run: Callable[[], Response]


def can_hand_over(request: Request) -> bool:
    """Tell whether the gateway can pass a spooled request on to where long work is done."""
    return bool(request.environ.get("WHARF_HAND_OVER"))


def hand_over(request: Request) -> Response:
    """Return the answer by which the gateway passes a spooled request on.

    Method and spool file stay what they are: the gateway changes neither on the way to a location
    with a name.
    """
    request.route, request.outcome = _ROUTE, "handed-over"
    return Response(200, [("X-Accel-Redirect", _LOCATION)])
