"""The gateway question `admit`: nginx asks before it reads the first byte of a large body."""

from __future__ import annotations

import time

from servicekit.problems import NOT_FOUND
from servicekit.ratelimits import RateLimits
from servicekit.tokens import Principal
from servicekit.web import unavailable
from wharf_upload import timings
from wharf_upload.access import reach
from wharf_upload.http import admission_token, completeness, passing_on
from wharf_upload.http.admission_token import Admitted
from wharf_upload.http.credentials import Credentials
from wharf_upload.http.request import (
    FILES,
    METHODS_OF_ALL,
    TICKETS,
    UPLOADS,
    Request,
    Response,
    raw_path,
)
from wharf_upload.http.upload_addresses import identifier_of
from wharf_upload.http.upload_fields import (
    file_upload,
    form_boundary,
    form_upload,
    part_upload,
    refuse_method,
    require_file,
)
from wharf_upload.routes import ietf_resumable, tus
from wharf_upload.tenancy.limits import TenantLimits
from wharf_upload.uploads.admission import Admission
from wharf_upload.uploads.body_room import LIMIT, QUOTA, Bound, RoomTaken
from wharf_upload.uploads.resumable.engine import ResumableUploads

# A body with a length reserves room when the stream server receives it, not here.
_NOTHING_TAKEN = RoomTaken("")
_RETRY_SECONDS = 5
_METHODS_OF_AN_UPLOAD = "HEAD, GET, PATCH, DELETE, OPTIONS"


class AdmissionQuestion:
    """Handles the gateway's question for every request with a large body or a streamed one."""

    def __init__(
        self,
        credentials: Credentials,
        rates: RateLimits,
        tenant_limits: TenantLimits,
        admission: Admission,
        uploads: ResumableUploads,
    ) -> None:
        self._credentials, self._rates, self._tenant_limits = credentials, rates, tenant_limits
        self._admission, self._uploads = admission, uploads

    def admit(self, request: Request) -> Response:
        """Return the response that admits the body, or raise the problem that refuses it."""
        request.route = "(admission)"
        _require_listener(request)
        principal = self._credentials.authorize_upload(request)
        streamed = ietf_resumable.is_streamed(request)
        room = self._admit_streamed(request) if streamed else self._admit_spooled(request)
        try:
            # If another replica passed a form on after spooling it, that replica has already
            # counted the form against the rate limits.
            if streamed or not passing_on.was_passed_on(request):
                self._rates.charge_bytes(principal, request.content_length())
            response = self._answer(request, principal, room)
        except BaseException:
            self._admission.give_back(room.id)
            raise
        timings.ended(timings.ADMISSION, request.started)
        return response

    def _admit_spooled(self, request: Request) -> RoomTaken:
        if request.method == "PUT":
            require_file(request)
            upload = file_upload(request)
            completeness.require_length(request, upload.length_bytes)
            return self._admission.admit_large_file(upload)
        if request.method == "POST":
            upload = form_upload(request)
            form_boundary(request)
            return self._admission.admit_form(upload)
        raise refuse_method("PUT, POST" if request.by_ticket else "GET, HEAD, PUT, POST, DELETE")

    def _admit_streamed(self, request: Request) -> RoomTaken:
        """Decide about a streamed body; only a body without a length reserves room here."""
        caller, unsized = request.caller, request.content_length() is None
        path = raw_path(request.environ)
        if tus.is_tus(request):
            tus.require_version(request)
        if request.method == "PUT" and path.startswith((FILES, TICKETS)):
            part = part_upload(request)
            self._admission.admit_streamed_file(part)
            if not unsized:
                return _NOTHING_TAKEN
            length = completeness.number(request, "UPLOAD_LENGTH", "Upload-Length")
            return self._admission.admit_stream_without_length(caller, part.bucket, length)
        if path.rstrip("/") == UPLOADS:
            if tus.meant_method(request) != "POST":
                raise refuse_method(METHODS_OF_ALL)
            if not unsized:
                return _NOTHING_TAKEN
            tus.require_tus(request)
            wanted = tus.creation(request)
            return self._admission.admit_stream_without_length(caller, wanted.bucket, wanted.length)
        identifier = identifier_of(path)
        upload = None if identifier is None else self._uploads.row(caller, identifier)
        if upload is None or not reach.reaches_upload(caller, upload):
            raise NOT_FOUND("There is no such upload.")
        if tus.meant_method(request) != "PATCH":
            raise refuse_method(_METHODS_OF_AN_UPLOAD)
        # Check this last: the replica that has the upload counts the body against the rate limits.
        self._uploads.require_here(upload)
        if not unsized:
            return _NOTHING_TAKEN
        offset = completeness.number(request, "UPLOAD_OFFSET", "Upload-Offset") or 0
        return self._admission.admit_stream_without_length(
            caller, upload.bucket, upload.length, offset
        )

    def _answer(self, request: Request, principal: Principal, room: RoomTaken) -> Response:
        """Return the response that names the admitted principal and the body's reservation."""
        admitted = Admitted(principal, request.content_length(), room.id)
        request.outcome = "admitted"
        headers = [("X-Admission", admission_token.encode(admitted))]
        if room.id:
            # The reservation ends with the request at the latest (`conf.d/logging.conf`).
            headers.append(("X-Reservation", room.id))
        if room.bound is not None:
            # The size at which the gateway cuts the body, and the limit in its problem document
            # (`conf.d/body_classes.conf`).
            headers.append(("X-Body-Class", str(room.bound.body_class)))
            headers.append(("X-Body-Limit", str(_told_limit(principal, room.bound))))
        uploads = self._tenant_limits.of(principal.tenant).concurrent_uploads
        if uploads is not None:
            # The gateway enforces this number for the tenant (`snippets/tenant_uploads.conf`).
            headers.append(("X-Tenant-Uploads", f"{uploads} {principal.tenant}"))
        return Response(204, headers)


def _told_limit(caller: Principal, bound: Bound) -> int:
    """Return the limit that a caller may learn when its body is cut, or 0 for none.

    No caller may learn the free space of the disk, and only callers that reach all files may learn
    the quota. The response always has a number, because the gateway of the previous release needs
    one for the text of its problem.
    """
    may_know = bound.by == LIMIT or (bound.by == QUOTA and caller.reach.is_everything)
    return bound.limit if may_know else 0


def _require_listener(request: Request) -> None:
    """Refuse a question if the gateway no longer waits for the response.

    Questions wait in the socket while the service is replaced. A reservation for an abandoned
    question would stay for an hour or longer, until it expires.
    """
    asked, _, patience_seconds = request.environ.get("WHARF_ASKED", "").partition(" ")
    if asked and time.time() - float(asked) >= float(patience_seconds):
        raise unavailable("The gateway no longer waits for this response.", _RETRY_SECONDS)
