"""Requests for an upload at another replica, which the gateway passes on to it (ADR 56).

Before a body, nginx asks `/_admit` and gets the replica's address in the response. For a request
without a body, or with a body that nginx has spooled, the response is an internal redirect. A
replica never passes on a request that was passed on to it: otherwise two replicas that disagree
could send a request back and forth forever.
"""

from __future__ import annotations

from servicekit.problems import ProblemError
from wharf_upload.domain.resumable_upload import AtAnotherReplica
from wharf_upload.http.request import Request, Response
from wharf_upload.problems import PARTS_APART, UPLOAD_APART

# A location of `snippets/passing_on.conf`.
_LOCATION = "@passed_on"
_RETRY_SECONDS = 5


def was_passed_on(request: Request) -> bool:
    """Tell whether another replica's gateway has passed the request on."""
    return bool(request.environ.get("WHARF_PASSED_ON"))


def answer(request: Request, error: AtAnotherReplica) -> Response | ProblemError:
    """Return the response that makes the gateway pass the request on, or a problem if it cannot."""
    if was_passed_on(request):
        return UPLOAD_APART(
            "The replica that should have this upload reports that another replica has it.",
            headers=(("Retry-After", str(_RETRY_SECONDS)),),
            retry_after=_RETRY_SECONDS,
        )
    place = ("X-Wharf-Replica", error.replica)
    if request.environ.get("WHARF_STEP") == "admit":
        request.outcome = "passed-on"
        return Response(204, [place])
    if _body_is_coming(request):
        return PARTS_APART(
            "Another replica has the parts of this upload; create the upload without content."
        )
    request.outcome = "passed-on"
    return Response(200, [("X-Accel-Redirect", _LOCATION), place])


def _body_is_coming(request: Request) -> bool:
    """Tell whether this process receives the bytes of the body directly, not from the spool."""
    if request.environ.get("SPOOL_FILE"):
        return False
    return request.content_length() != 0 and bool(request.environ.get("ADMISSION"))
