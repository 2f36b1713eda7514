"""`/v1/uploads`, and `PUT` of a file with `Upload-Complete`: resumable uploads in both dialects.

The stream server (`streaming/server.py`) calls these handlers: one process of this machine knows
which request writes to which upload. nginx has asked `routes/admission.py` first wherever there is
a body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from servicekit.problems import LENGTH_REQUIRED, MALFORMED, NOT_FOUND, TOO_LARGE, ProblemError
from wharf_upload.access.authorization import Authorizer
from wharf_upload.domain import digests
from wharf_upload.domain.files import File
from wharf_upload.domain.upload_intent import TooLarge
from wharf_upload.http import admission_token, schemas, upload_protocol
from wharf_upload.http.credentials import Credentials
from wharf_upload.http.errors import as_problem
from wharf_upload.http.request import (
    FILES,
    UPLOADS,
    Headers,
    Request,
    Response,
    json_response,
    path_of,
    raw_path,
)
from wharf_upload.http.upload_fields import refuse_encodings, refuse_method
from wharf_upload.routes import ietf_resumable, tus
from wharf_upload.routes.ietf_resumable import UploadLimits
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
_METHODS = "HEAD, GET, PATCH, DELETE, OPTIONS"


@dataclass
class Incoming:
    """Where a body goes, and the answer to it: `answer` gets what came of the body."""

    body: IncomingBody
    answer: Callable[[Progress], Response]


class ResumableRoutes:
    """Turns requests into calls of the engine."""

    def __init__(
        self,
        credentials: Credentials,
        authorizer: Authorizer,
        uploads: ResumableUploads,
        limits: UploadLimits,
    ) -> None:
        self._credentials, self._authorizer = credentials, authorizer
        self._uploads, self._limits = uploads, limits

    def __call__(self, request: Request) -> Response | Incoming:
        """Return an answer, or where the body goes; raises problems and the domain's errors."""
        self._authorize(request)
        if tus.is_tus(request):
            tus.require_version(request)
        try:
            return self._answer(request)
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
        admitted = admission_token.of_request(request)
        if admitted is None:
            self._credentials.authorize_upload(request)
        else:
            request.principal = admitted.principal
            self._authorizer.recheck(admitted.principal)

    def _answer(self, request: Request) -> Response | Incoming:
        path = raw_path(request.environ)
        method = request.environ.get("HTTP_X_HTTP_METHOD_OVERRIDE") or request.method
        if path.startswith(FILES):
            if request.method != "PUT":
                raise refuse_method("PUT")
            return self._create_file(request)
        if path.rstrip("/") == UPLOADS:
            request.route = UPLOADS
            if method != "POST":
                raise refuse_method("POST, OPTIONS")
            return self._create(request)
        identifier = tus.identifier_of(path)
        if identifier is None:
            raise NOT_FOUND("There is no such upload.")
        handlers: dict[str, Callable[[Request, str], Response | Incoming]] = {
            "HEAD": self._head,
            "GET": self._head,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        if method not in handlers:
            raise refuse_method(_METHODS)
        return handlers[method](request, identifier)

    # ---- creation ----

    def _create(self, request: Request) -> Response | Incoming:
        if not tus.is_tus(request):
            raise MALFORMED(
                "Here uploads are created with tus (send Tus-Resumable: 1.0.0); the IETF protocol "
                "begins with PUT of the file and Upload-Complete."
            )
        wanted = tus.creation(request)
        checksums = _checksums(request)
        length = request.content_length() or 0
        if length:
            tus.require_content_type(request)
        upload = self._uploads.creator.create(request.caller, wanted)
        location = ("Location", f"{UPLOADS}/{upload.id}")
        request.outcome = "upload-created"
        if upload.concat == "final":
            with self._uploads.terminator.unless_refused(upload):
                progress = self._uploads.concatenator.join(request.caller, upload)
            _count(request, progress.file)
            return Response(201, [location, *tus.fields_of(progress)])
        if not length and upload.length != 0:
            return Response(201, [location, *tus.fields_of(Progress(upload, 0))])
        session = self._uploads.appender.begin_created(request.caller, upload, checksums)

        def answer(progress: Progress) -> Response:
            return Response(201, [location, *tus.fields_of(progress)])

        return self._incoming(request, session, length, answer)

    def _create_file(self, request: Request) -> Response | Incoming:
        ietf_resumable.require_version(request)
        wanted = ietf_resumable.creation(request)
        checksums = _checksums(request)
        length = _required_length(request)
        upload = self._uploads.creator.create(request.caller, wanted)
        last = ietf_resumable.complete(request)
        location = ("Location", f"{UPLOADS}/{upload.id}")
        request.outcome = "upload-created"
        if length == 0 and not last:
            return Response(201, [location, *self._ietf_fields(request, Progress(upload, 0))])
        session = self._uploads.appender.begin_created(request.caller, upload, checksums)
        return self._incoming(
            request, session, length, self._ietf_answer(request, location), last=last
        )

    # ---- an upload ----

    def _head(self, request: Request, identifier: str) -> Response:
        request.route = ROUTE
        progress = self._uploads.progress.of(request.caller, identifier)
        request.outcome = "upload-seen"
        if tus.is_tus(request):
            return Response(200, [*tus.fields_of(progress), *tus.head_fields(progress)])
        return Response(204, self._ietf_fields(request, progress))

    def _delete(self, request: Request, identifier: str) -> Response:
        request.route = ROUTE
        self._uploads.terminator.terminate(request.caller, identifier)
        request.outcome = "upload-ended"
        return Response(204, [])

    def _patch(self, request: Request, identifier: str) -> Response | Incoming:
        request.route = ROUTE
        speaks_tus = tus.is_tus(request)
        answer: Callable[[Progress], Response]
        if speaks_tus:
            tus.require_content_type(request)
            answer = _tus_answer
        else:
            ietf_resumable.require_version(request)
            ietf_resumable.require_content_type(request)
            answer = self._ietf_answer(request)
        offset = ietf_resumable.offset(request)

        def announced() -> Announced:
            length = (
                tus.announced_length(request)
                if speaks_tus
                else ietf_resumable.length(request, offset)
            )
            return Announced(_checksums(request), length)

        empty = request.content_length() == 0
        appender = self._uploads.appender
        begun = appender.begin(request.caller, identifier, offset, announced, empty=empty)
        if isinstance(begun, Progress):
            return answer(begun)
        last = not speaks_tus and ietf_resumable.complete(request)
        return self._incoming(request, begun, None, answer, last=last)

    def _incoming(
        self,
        request: Request,
        session: UploadSession,
        length: int | None,
        answer: Callable[[Progress], Response],
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
            _count(request, progress.file)
            return answer(progress)

        return Incoming(body, ended)

    # ---- the IETF protocol's answers ----

    def _ietf_fields(self, request: Request, progress: Progress) -> Headers:
        most = None
        if not progress.complete:
            most = self._uploads.max_bytes(request.caller, progress.upload)
        return self._limits.fields_of(progress, most)

    def _ietf_answer(
        self, request: Request, location: tuple[str, str] | None = None
    ) -> Callable[[Progress], Response]:
        """The last request is answered as the `PUT` of the whole file would be."""

        def answer(progress: Progress) -> Response:
            headers = self._ietf_fields(request, progress)
            if progress.file is not None:
                file = progress.file
                request.outcome = "stored"
                headers += [("Location", path_of(file.bucket, file.key)), ("ETag", file.etag)]
                return json_response(201, schemas.of_file(file), headers)
            if location is not None:
                return Response(201, [location, *headers])
            return Response(204, headers)

        return answer


def _tus_answer(progress: Progress) -> Response:
    return Response(204, tus.fields_of(progress))


def _count(request: Request, file: File | None) -> None:
    """Note a file that an upload has become."""
    if file is not None:
        request.outcome = "stored"
        protocol = "tus" if tus.is_tus(request) else "ietf"
        upload_protocol.note_stored(protocol, "stored", (file,))


def _required_length(request: Request) -> int:
    length = request.content_length()
    if length is None:
        raise LENGTH_REQUIRED("Send Content-Length: the bytes of this request.")
    return length


def _limit_bytes(problem: ProblemError) -> int | None:
    found = problem.members.get("limit_bytes")
    return found if isinstance(found, int) else None


def _checksums(request: Request) -> tuple[Checksum, ...]:
    """What the bytes of this request must hash to; raises problems and `MalformedDigest`."""
    refuse_encodings(request)
    found = []
    if tus.is_tus(request) and (checksum := tus.checksum(request)) is not None:
        found.append(checksum)
    for name, digest in digests.expected(request.header("CONTENT_DIGEST") or "").items():
        found.append(Checksum(name.replace("-", ""), digest, name))
    return tuple(found)
