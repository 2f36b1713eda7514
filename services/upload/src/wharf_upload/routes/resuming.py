"""`/v1/uploads`, and `PUT` of a file with `Upload-Complete`: resumable uploads in both dialects.

Runs in the receiver (`receiver/`), which owns all of these requests: one process of this machine
knows who is writing to what. nginx has asked `admit` first wherever there is a body.
"""

from __future__ import annotations

from collections.abc import Callable

from servicekit.problems import (
    LENGTH_REQUIRED,
    MALFORMED,
    METHOD,
    NOT_FOUND,
    TOO_LARGE,
    ProblemError,
)
from wharf_upload import documents, protocols
from wharf_upload.domain import admission, digests
from wharf_upload.domain.resumable import Appending, Checksum, Progress, Resumable
from wharf_upload.domain.sniffing import HEAD_BYTES
from wharf_upload.domain.uploads import TooLarge
from wharf_upload.exchange import FILES, Exchange, Headers, Reply, json_reply, path_of, raw_path
from wharf_upload.receiver.loop import Stream
from wharf_upload.records.base import File
from wharf_upload.routes import partial, tus
from wharf_upload.routes.admitting import admission_of, admitted
from wharf_upload.routes.files import authorize_upload
from wharf_upload.service import Service
from wharf_upload.translation import as_problem

ROUTE, COLLECTION = "/v1/uploads/{id}", "/v1/uploads"


class Resuming:
    """Turns requests into calls of the engine; `cancel` ends a stream of the receiver's loop."""

    def __init__(self, service: Service, cancel: Callable[[Stream], None]) -> None:
        self._service, self._cancel = service, cancel
        self._engine = Resumable(service)

    def holds(self, identifier: str) -> bool:
        """Whether this process works on an upload; another replica may."""
        return self._engine.holds(identifier)

    def __call__(self, exchange: Exchange) -> Reply | Stream:
        """An answer, or where the body goes; raises problems and the domain's errors."""
        self._authorize(exchange)
        if tus.is_tus(exchange):
            tus.require_version(exchange)
        try:
            return self._answer(exchange)
        except (ProblemError, TooLarge) as error:
            problem = as_problem(error)
            if problem.problem is TOO_LARGE and not (tus.is_tus(exchange) or problem.headers):
                problem.headers = (partial.limit(self._service, most=_limit_bytes(problem)),)
            raise problem from error

    def _answer(self, exchange: Exchange) -> Reply | Stream:
        path = raw_path(exchange.environ)
        method = exchange.environ.get("HTTP_X_HTTP_METHOD_OVERRIDE") or exchange.method
        if path.startswith(FILES):
            if exchange.method != "PUT":
                raise _refuse_method("PUT")
            return self._create_file(exchange)
        if path.rstrip("/") == COLLECTION:
            exchange.route = COLLECTION
            if method != "POST":
                raise _refuse_method("POST, OPTIONS")
            return self._create(exchange)
        identifier = tus.identifier_of(path)
        if identifier is None:
            raise NOT_FOUND("There is no such upload.")
        handlers: dict[str, Callable[[Exchange, str], Reply | Stream]] = {
            "HEAD": self._head,
            "GET": self._head,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        if method not in handlers:
            raise _refuse_method("HEAD, GET, PATCH, DELETE, OPTIONS")
        return handlers[method](exchange, identifier)

    def _authorize(self, exchange: Exchange) -> None:
        admission_token = exchange.environ.get("ADMISSION")
        if admission_token:
            exchange.principal = admitted(admission_token).principal
            self._service.revocations.check(exchange.principal)
        else:
            authorize_upload(self._service, exchange)

    # ---- tus ----

    def _create(self, exchange: Exchange) -> Reply | Stream:
        if not tus.is_tus(exchange):
            raise MALFORMED(
                "Here uploads are created with tus (send Tus-Resumable: 1.0.0); the IETF protocol "
                "begins with PUT of the file and Upload-Complete."
            )
        wanted = tus.wanted(exchange)
        checksums = _checksums(exchange)
        body = exchange.content_length() or 0
        if body:
            tus.require_content_type(exchange)
        upload = self._engine.create(exchange.caller, wanted)
        location = ("Location", f"{COLLECTION}/{upload.id}")
        exchange.outcome = "upload-created"
        if upload.concat == "final":
            with self._engine.unless_refused(upload):
                progress = self._engine.join(exchange.caller, upload)
            if progress.file is not None:
                self._count(exchange, progress.file)
            return Reply(201, [location, *tus.fields_of(progress)])
        if not body and upload.length != 0:
            return Reply(201, [location, *tus.fields_of(Progress(upload, 0))])
        appending = self._engine.begin_first(exchange.caller, upload, checksums)

        def answer(progress: Progress) -> Reply:
            return Reply(201, [location, *tus.fields_of(progress)])

        return self._stream(exchange, appending, body, answer)

    # ---- both ----

    def _head(self, exchange: Exchange, identifier: str) -> Reply:
        exchange.route = ROUTE
        progress = self._engine.look(exchange.caller, identifier)
        exchange.outcome = "upload-seen"
        if tus.is_tus(exchange):
            headers = [*tus.fields_of(progress), *tus.head_fields(progress)]
            return Reply(200, headers)
        return Reply(204, self._partial_fields(exchange, progress))

    def _delete(self, exchange: Exchange, identifier: str) -> Reply:
        exchange.route = ROUTE
        self._engine.drop(exchange.caller, identifier)
        exchange.outcome = "upload-ended"
        return Reply(204, [])

    def _patch(self, exchange: Exchange, identifier: str) -> Reply | Stream:
        exchange.route = ROUTE
        if tus.is_tus(exchange):
            return self._patch_tus(exchange, identifier)
        partial.require_version(exchange)
        partial.require_content_type(exchange)
        begins_at = partial.offset(exchange)
        if exchange.content_length() == 0:
            ended = self._engine.ended(exchange.caller, identifier, begins_at)
            if ended is not None:
                return self._partial_answer(exchange)(ended)
        appending = self._engine.begin(
            exchange.caller,
            identifier,
            begins_at,
            checksums=_checksums(exchange),
            length=partial.length(exchange, begins_at),
        )
        last = partial.complete(exchange)
        return self._stream(exchange, appending, None, self._partial_answer(exchange), last=last)

    def _patch_tus(self, exchange: Exchange, identifier: str) -> Reply | Stream:
        tus.require_content_type(exchange)
        offset = tus.number(exchange, "UPLOAD_OFFSET", "Upload-Offset")
        if offset is None:
            raise MALFORMED("Send Upload-Offset: where in the file these bytes begin.")
        upload = self._engine.find(exchange.caller, identifier)
        if upload.concat == "final":
            raise tus.final_upload()
        if exchange.content_length() == 0:
            ended = self._engine.ended(exchange.caller, identifier, offset)
            if ended is not None:
                return Reply(204, tus.fields_of(ended))
        appending = self._engine.begin(
            exchange.caller,
            identifier,
            offset,
            checksums=_checksums(exchange),
            length=tus.announced_length(exchange),
        )
        return self._stream(
            exchange, appending, None, lambda progress: Reply(204, tus.fields_of(progress))
        )

    # ---- IETF ----

    def _create_file(self, exchange: Exchange) -> Reply | Stream:
        partial.require_version(exchange)
        wanted = partial.wanted(self._service, exchange)
        checksums = _checksums(exchange)
        body = exchange.content_length()
        if body is None:
            raise LENGTH_REQUIRED("Send Content-Length: the bytes of this request.")
        upload = self._engine.create(exchange.caller, wanted)
        last = partial.complete(exchange)
        location = ("Location", f"{COLLECTION}/{upload.id}")
        exchange.outcome = "upload-created"
        if body == 0 and not last:
            progress = Progress(upload, 0)
            return Reply(201, [location, *self._partial_fields(exchange, progress)])
        appending = self._engine.begin_first(exchange.caller, upload, checksums)
        return self._stream(
            exchange, appending, body, self._partial_answer(exchange, location), last=last
        )

    def _partial_fields(self, exchange: Exchange, progress: Progress) -> Headers:
        upload = progress.upload
        most = None if progress.complete else self._engine.most(exchange.caller, upload)
        return partial.fields_of(self._service, progress, most)

    def _partial_answer(
        self, exchange: Exchange, location: tuple[str, str] | None = None
    ) -> Callable[[Progress], Reply]:
        """The last request is answered as the `PUT` of the whole file would be."""

        def answer(progress: Progress) -> Reply:
            headers = self._partial_fields(exchange, progress)
            if progress.file is not None:
                file = progress.file
                exchange.outcome = "stored"
                headers += [("Location", path_of(file.bucket, file.key)), ("ETag", file.etag)]
                return json_reply(201, documents.of_file(file), headers)
            if location is not None:
                return Reply(201, [location, *headers])
            return Reply(204, headers)

        return answer

    @staticmethod
    def _count(exchange: Exchange, file: File) -> None:
        exchange.outcome = "stored"
        protocols.note_stored("tus" if tus.is_tus(exchange) else "ietf", "stored", (file,))

    # ---- the body ----

    def _stream(
        self,
        exchange: Exchange,
        appending: Appending,
        body: int | None,
        answer: Callable[[Progress], Reply],
        *,
        last: bool = False,
    ) -> Stream:
        try:
            return self._streaming(exchange, appending, body, answer, last=last)
        except BaseException:
            self._engine.abandon(appending)
            raise

    def _streaming(
        self,
        exchange: Exchange,
        appending: Appending,
        body: int | None,
        answer: Callable[[Progress], Reply],
        *,
        last: bool,
    ) -> Stream:
        length = exchange.content_length() if body is None else body
        if length is None:
            raise LENGTH_REQUIRED("Send Content-Length: the bytes of this request.")
        room = self._engine.room(appending)
        if length > room:
            raise TOO_LARGE(
                f"The request brings {length} bytes; the upload takes {room} more.",
                headers=(partial.limit(self._service, most=appending.offset + room),),
                limit="upload's length",
                limit_bytes=room,
            )
        admission.require_room(self._service, length)
        self._engine.reserve(appending, length)
        exchange.outcome = "upload-continued"

        def finish(stream: Stream, error: Exception | None) -> Reply:
            whole = stream.whole and not stream.cancelled
            progress = self._engine.end(appending, error, last=last, whole=whole)
            if progress.file is not None:
                self._count(exchange, progress.file)
            return answer(progress)

        stream = Stream(appending.part.descriptor, appending.offset, length, finish)
        if appending.offset < HEAD_BYTES and not appending.upload.concat:
            stream.check_at = HEAD_BYTES - appending.offset
            stream.check = lambda: self._engine.check_head(appending)
        appending.lease.on_request(lambda: self._cancel(stream))
        return stream


def is_resumable(exchange: Exchange) -> bool:
    """Whether the gateway streams this request to the receiver (`conf.d/requests.conf`)."""
    path = raw_path(exchange.environ)
    if path.startswith(FILES):
        return exchange.method == "PUT" and partial.is_partial(exchange)
    return path == COLLECTION or path.startswith(COLLECTION + "/")


def admit(service: Service, exchange: Exchange) -> Reply:
    """Decides about a request with a body, before nginx reads it; raises problems."""
    principal = authorize_upload(service, exchange)
    _admit(service, exchange)
    return admission_of(service, exchange, principal)


def _admit(service: Service, exchange: Exchange) -> None:
    path = raw_path(exchange.environ)
    if tus.is_tus(exchange):
        tus.require_version(exchange)
    if path.startswith(FILES):
        partial.require_version(exchange)
        admission.admit_file(service, exchange)
        return
    if path.rstrip("/") == COLLECTION:
        if exchange.method != "POST":
            raise _refuse_method("POST, OPTIONS")
        return
    identifier = tus.identifier_of(path)
    if identifier is None or service.uploads.get(exchange.caller.tenant, identifier) is None:
        raise NOT_FOUND("There is no such upload.")
    if exchange.method not in {"PATCH", "POST"}:
        raise _refuse_method("HEAD, GET, PATCH, DELETE, OPTIONS")


def _limit_bytes(problem: ProblemError) -> int | None:
    found = problem.members.get("limit_bytes")
    return found if isinstance(found, int) else None


def _checksums(exchange: Exchange) -> tuple[Checksum, ...]:
    """What the bytes of this request must hash to; raises problems and `MalformedDigest`."""
    admission.refuse_encodings(exchange)
    found = []
    if tus.is_tus(exchange) and (checksum := tus.checksum(exchange)) is not None:
        found.append(checksum)
    for name, digest in digests.expected(exchange.header("CONTENT_DIGEST") or "").items():
        found.append(Checksum(name.replace("-", ""), digest, name))
    return tuple(found)


def _refuse_method(allowed: str) -> Exception:
    return METHOD(METHOD.description, headers=(("Allow", allowed),))
