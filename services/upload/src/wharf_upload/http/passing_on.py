"""Requests for an upload that another replica has: the gateway passes them on to it (ADR 56).

Before a body nginx asks `/_admit`, and is told the replica's address there. A request without a
body, or with one that nginx has spooled, is sent on by an internal redirect. What was passed on to
this replica goes nowhere else: two replicas that disagree must not send a request round and round.
"""

from __future__ import annotations

from servicekit.problems import ProblemError
from wharf_upload.domain.resumable_upload import AtAnotherReplica
from wharf_upload.http.request import Request, Response
from wharf_upload.problems import PARTS_APART, UPLOAD_APART

# Of `snippets/passing_on.conf`.
_LOCATION = "@passed_on"
_RETRY_SECONDS = 5


def was_passed_on(request: Request) -> bool:
    """Tell whether another replica's gateway has sent the request."""
    return bool(request.environ.get("WHARF_PASSED_ON"))


def answer(request: Request, error: AtAnotherReplica) -> Response | ProblemError:
    """Return what makes the gateway pass a request on, or the problem that keeps it from that."""
    if was_passed_on(request):
        return UPLOAD_APART(
            "The replica that should have this upload says that another one has it.",
            headers=(("Retry-After", str(_RETRY_SECONDS)),),
            retry_after=_RETRY_SECONDS,
        )
    place = ("X-Wharf-Replica", error.replica)
    if request.environ.get("WHARF_STEP") == "admit":
        request.outcome = "passed-on"
        return Response(204, [place])
    if _body_is_coming(request):
        return PARTS_APART(
            "The parts of this upload are at another replica; create it without content of its own."
        )
    request.outcome = "passed-on"
    return Response(200, [("X-Accel-Redirect", _LOCATION), place])


def _body_is_coming(request: Request) -> bool:
    """Tell whether bytes of the body are on their way to this process, past the gateway."""
    if request.environ.get("SPOOL_FILE"):
        return False
    return request.content_length() != 0 and bool(request.environ.get("ADMISSION"))
