"""`/v1/uploads`, and `PUT` of a file in parts: resumable uploads by both protocols.

The stream server (`streaming/server.py`) calls these handlers, because one process of this machine
must know which request writes to which upload. For each request with a body, nginx has asked
`routes/admission.py` first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qs

from servicekit.problems import LENGTH_REQUIRED, MALFORMED, NOT_FOUND, TOO_LARGE, ProblemError
from wharf_upload.access.authorization import Authorizer
from wharf_upload.domain import digests
from wharf_upload.domain.long_work import TakesLong
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.domain.upload_intent import TooLarge
from wharf_upload.http import admission_token, completeness
from wharf_upload.http.credentials import Credentials
from wharf_upload.http.errors import as_problem
from wharf_upload.http.long_work import LongWork
from wharf_upload.http.request import (
    FILES,
    METHODS_OF_ALL,
    TICKET_ROUTE,
    TICKETS,
    UPLOADS,
    Request,
    Response,
    raw_path,
)
from wharf_upload.http.upload_addresses import identifier_of
from wharf_upload.http.upload_fields import refuse_encodings, refuse_method
from wharf_upload.routes import ietf_resumable, tus, upload_answers
from wharf_upload.routes.ietf_resumable import UploadLimits
from wharf_upload.routes.upload_answers import UploadAnswers
from wharf_upload.uploads.resumable.engine import ResumableUploads
from wharf_upload.uploads.resumable.values import (
    Announced,
    Checksum,
    ExceedsUpload,
    IncomingBody,
    Progress,
    UploadSession,
)

ROUTE = "/v1/uploads/{id}"
_QUERY_FIELDS = 10
Found = TypeVar("Found")
_METHODS = "HEAD, GET, PATCH, DELETE, OPTIONS"


@dataclass
class Incoming:
    """The target of a body; `answer` makes the response from the result of the body."""

    body: IncomingBody
    answer: Callable[[Progress], Response]


class ResumableRoutes:
    """Translates requests to calls of the upload engine."""

    def __init__(
        self,
        credentials: Credentials,
        authorizer: Authorizer,
        uploads: ResumableUploads,
        limits: UploadLimits,
    ) -> None:
        self._credentials, self._authorizer = credentials, authorizer
        self._uploads, self._limits = uploads, limits
        self._answers = UploadAnswers(uploads, limits)

    def __call__(self, request: Request) -> Response | Incoming | LongWork:
        """Return a response, long work that makes one in the tenant's turn, or the body's target.

        Raises problems and the domain's errors.
        """
        self._authorize(request)
        if tus.is_tus(request):
            tus.require_version(request)
        found = self._translated(request, lambda: self._answer(request))
        if isinstance(found, LongWork):
            work = found.run
            return LongWork(found.tenant, lambda: self._translated(request, work))
        return found

    def _translated(self, request: Request, run: Callable[[], Found]) -> Found:
        """Run a function; add `Upload-Limit` to its refusal of a body that is too large."""
        try:
            return run()
        except ExceedsUpload as error:
            raise TOO_LARGE(
                str(error),
                headers=(self._limits.field(most=error.most),),
                limit="upload's length",
                limit_bytes=error.room,
            ) from error
        except (ProblemError, TooLarge) as error:
            problem = as_problem(error)
            if problem.problem is TOO_LARGE and not (tus.is_tus(request) or problem.headers):
                problem.headers = (self._limits.field(most=_limit_bytes(problem)),)
            raise problem from error

    def _authorize(self, request: Request) -> None:
        if request.by_ticket:
            request.route = TICKET_ROUTE
        admitted = admission_token.of_request(request)
        if admitted is None:
            self._credentials.authorize_upload(request)
        else:
            request.principal = admitted.principal  # A refusal also belongs to this principal.
            request.principal = self._authorizer.recheck(admitted.principal)

    def _answer(self, request: Request) -> Response | Incoming | LongWork:
        path = raw_path(request.environ)
        if request.method == "PUT" and path.startswith((FILES, TICKETS)):
            return self._create_file(request)
        method = tus.meant_method(request)
        if path.rstrip("/") == UPLOADS:
            request.route = UPLOADS
            if method != "POST":
                raise refuse_method(METHODS_OF_ALL)
            return self._create(request)
        identifier = identifier_of(path)
        if identifier is None:
            raise NOT_FOUND("There is no such upload.")
        handlers: dict[str, Callable[[Request, str], Response | Incoming | LongWork]] = {
            "HEAD": self._look,
            "GET": self._look,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        if method not in handlers:
            raise refuse_method(_METHODS)
        return handlers[method](request, identifier)

    # ---- creation ----

    def _create(self, request: Request) -> Response | Incoming | LongWork:
        tus.require_tus(request)
        wanted = tus.creation(request)
        checksums = _checksums(request)
        length = request.content_length() or 0
        if length:
            tus.require_content_type(request)
        upload = self._uploads.creator.create(request.caller, wanted)
        request.outcome = "upload-created"
        if upload.concat == "final":
            return LongWork(upload.tenant, lambda: self._created_final(request, upload))
        if not length and upload.length != 0:
            return self._answers.created(request, Progress(upload, 0))
        session = self._uploads.appender.begin_created(request.caller, upload, checksums)
        return self._incoming(request, session, length, self._answers.created)

    def _created_final(self, request: Request, upload: Upload) -> Response:
        with self._uploads.terminator.unless_refused(upload):
            progress = self._uploads.concatenator.join(request.caller, upload)
        upload_answers.count(request, progress)
        return self._answers.created(request, progress)

    def _create_file(self, request: Request) -> Response | Incoming:
        wanted = ietf_resumable.creation(request)
        checksums = _checksums(request)
        length = _required_length(request)
        upload = self._uploads.creator.create(request.caller, wanted)
        last = not completeness.is_part(request)
        request.outcome = "upload-created"
        if length == 0 and not last and upload.length != 0:
            return self._answers.created(request, Progress(upload, 0))
        session = self._uploads.appender.begin_created(request.caller, upload, checksums)
        return self._incoming(request, session, length, self._answers.created, last=last)

    # ---- an upload ----

    def _look(self, request: Request, identifier: str) -> Response | LongWork:
        def seen(*, briefly: bool) -> Response:
            progress = self._uploads.progress.of(request.caller, identifier, briefly=briefly)
            return self._answers.seen(request, progress)

        try:
            return seen(briefly=True)
        except TakesLong:
            return LongWork(request.caller.tenant, lambda: seen(briefly=False))

    def _delete(self, request: Request, identifier: str) -> Response:
        self._uploads.terminator.terminate(request.caller, identifier, _sender(request))
        request.outcome = "upload-ended"
        return Response(204, [])

    def _patch(self, request: Request, identifier: str) -> Response | Incoming:
        speaks_tus = tus.is_tus(request)
        if speaks_tus:
            tus.require_content_type(request)
        else:
            completeness.require_version(request)
            ietf_resumable.require_content_type(request)
        offset = ietf_resumable.offset(request)

        def announced() -> Announced:
            length = (
                tus.announced_length(request)
                if speaks_tus
                else ietf_resumable.length(request, offset)
            )
            whole = digests.expected(request.header("REPR_DIGEST") or "")
            return Announced(_checksums(request), length, whole)

        empty = request.content_length() == 0
        appender = self._uploads.appender
        begun = appender.begin(request.caller, identifier, offset, announced, empty=empty)
        if isinstance(begun, Progress):
            request.outcome = "upload-seen"
            return self._answers.continued(request, begun)
        last = not speaks_tus and ietf_resumable.complete(request)
        return self._incoming(request, begun, None, self._answers.continued, last=last)

    def _incoming(
        self,
        request: Request,
        session: UploadSession,
        length: int | None,
        answer: Callable[[Request, Progress], Response],
        *,
        last: bool = False,
    ) -> Incoming:
        try:
            length = _required_length(request) if length is None else length
        except BaseException:
            self._uploads.appender.abandon(session)
            raise
        body = self._uploads.appender.incoming(session, length, last=last)
        request.outcome = "upload-continued"

        def ended(progress: Progress) -> Response:
            upload_answers.count(request, progress)
            return answer(request, progress)

        return Incoming(body, ended)


def _required_length(request: Request) -> int:
    length = request.content_length()
    if length is None:
        raise LENGTH_REQUIRED("Send Content-Length, the number of bytes in this request.")
    return length


def _limit_bytes(problem: ProblemError) -> int | None:
    found = problem.members.get("limit_bytes")
    return found if isinstance(found, int) else None


def _sender(request: Request) -> str | None:
    """Return `subject` in the query, the sender of the upload; raises `malformed-request`.

    Without this parameter, a client with many permissions ends only its own uploads, as tus clients
    expect.
    """
    try:
        query = request.environ.get("QUERY_STRING") or ""
        found = parse_qs(query, keep_blank_values=True, max_num_fields=_QUERY_FIELDS)
    except ValueError:
        raise MALFORMED("The query has too many fields.") from None
    subjects = found.get("subject", [])
    if len(subjects) > 1:
        raise MALFORMED("Send subject only once.", field="subject")
    return subjects[0] if subjects else None


def _checksums(request: Request) -> tuple[Checksum, ...]:
    """Return the checksums of this request's bytes; raises problems and `MalformedDigest`."""
    refuse_encodings(request)
    found = []
    if tus.is_tus(request) and (checksum := tus.checksum(request)) is not None:
        found.append(checksum)
    for name, digest in digests.expected(request.header("CONTENT_DIGEST") or "").items():
        found.append(Checksum(name.replace("-", ""), digest, name))
    return tuple(found)
