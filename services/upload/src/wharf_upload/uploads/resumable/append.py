"""Requests that append bytes to an upload; one request at a time has the upload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import msgspec

from servicekit.database import DatabaseUnavailable
from servicekit.problems import ProblemError
from servicekit.tokens import Principal
from wharf_upload.content_types.sniffing import HEAD_BYTES
from wharf_upload.domain.digests import MalformedDigest
from wharf_upload.domain.long_work import BRIEF_BYTES
from wharf_upload.domain.refusals import Refused
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.domain.upload_intent import check_early, check_size
from wharf_upload.problems import FINAL_UPLOAD, OFFSET_MISMATCH, UPLOAD_LENGTH
from wharf_upload.storage.partial_uploads import PartialUpload
from wharf_upload.uploads.body_room import BodyRoom
from wharf_upload.uploads.resumable import checksums
from wharf_upload.uploads.resumable.complete import UploadCompleter
from wharf_upload.uploads.resumable.concatenate import UploadConcatenator
from wharf_upload.uploads.resumable.held import HeldUploads, expires_field
from wharf_upload.uploads.resumable.leases import Lease, UploadBusy
from wharf_upload.uploads.resumable.progress_notices import ProgressNotices, SessionProgress
from wharf_upload.uploads.resumable.terminate import UploadTerminator
from wharf_upload.uploads.resumable.values import (
    Announced,
    Checksum,
    ExceedsUpload,
    IncomingBody,
    Progress,
    UploadSession,
)
from wharf_upload.uploads.rules import UploadRules


class UploadAppender:
    """Takes bytes for uploads: first `begin` or `begin_created`, then `incoming`."""

    def __init__(
        self,
        held: HeldUploads,
        rules: UploadRules,
        room: BodyRoom,
        completer: UploadCompleter,
        concatenator: UploadConcatenator,
        terminator: UploadTerminator,
        recheck: Callable[[Principal], Principal],
        notices: ProgressNotices,
    ) -> None:
        """Create the appender.

        `recheck` returns a principal with its present rights, or raises a problem when it was
        revoked.
        """
        self._held, self._rules, self._room = held, rules, room
        self._completer, self._concatenator = completer, concatenator
        self._terminator, self._recheck = terminator, recheck
        self._notices = notices

    def begin(
        self,
        principal: Principal,
        identifier: str,
        offset: int,
        announced: Callable[[], Announced],
        *,
        empty: bool = False,
    ) -> UploadSession | Progress:
        """Return a session that appends bytes to an upload at `offset`.

        `announced` returns what the request announces about its bytes. If the upload is complete,
        an `empty` request at its end gets the progress of the upload, without a call of
        `announced`: its client has missed the last response. Raises the problems `not-found`,
        `final-upload`, `mismatching-upload-offset` and `inconsistent-upload-length`, and
        `UploadBusy`.
        """
        releases = self._held.leases.releases
        upload = self._held.find(principal, identifier)
        if upload.concat == "final":
            raise FINAL_UPLOAD("A final upload consists of its parts; write to the parts.")
        if empty and upload.file is not None and upload.file.size == offset:
            return Progress(upload, offset, upload.file)
        said = announced()
        upload, lease = self._held.hold_found(principal, upload, releases)
        return self._session(principal, upload, lease, offset, said)

    def begin_created(
        self, principal: Principal, upload: Upload, checksums: tuple[Checksum, ...]
    ) -> UploadSession:
        """Return a session for the request that has created the upload.

        Until the response the client does not know the upload, so the session is marked `unknown`.
        """
        with self._terminator.unless_refused(upload):
            lease = self._held.take(upload.id)
            session = self._session(principal, upload, lease, 0, Announced(checksums))
        session.unknown = True
        return session

    def _session(
        self,
        principal: Principal,
        upload: Upload,
        lease: Lease,
        offset: int,
        said: Announced,
    ) -> UploadSession:
        part: PartialUpload | None = None
        try:
            if upload.file is not None:
                raise _mismatch(upload, offset, upload.file.size)
            part = self._held.open(upload.id)
            size = self._held.settled_size(upload, part)
            if offset != size:
                raise _mismatch(upload, offset, size)
            upload = self._announced(principal, upload, said.length, size)
            upload = self._with_digests(upload, said.digests)
            # Bytes without a checksum are kept, even if earlier bytes had one.
            discard_from = size if said.checksums else None
            if discard_from != upload.discard_from:
                self._held.note(upload, discard_from=discard_from, size=size)
                upload = msgspec.structs.replace(
                    upload,
                    discard_from=discard_from,
                    reserved_bytes=size if upload.length is None else upload.reserved_bytes,
                )
            return UploadSession(principal, upload, part, lease, size, said.checksums)
        except BaseException:
            if part is not None:
                part.close()
            lease.release()
            raise

    def _announced(
        self, principal: Principal, upload: Upload, length: int | None, size: int
    ) -> Upload:
        if length is None or length == upload.length:
            return upload
        if upload.length is not None or length < size:
            raise UPLOAD_LENGTH(
                f"The upload's length is {upload.length}; {length} does not fit it.",
                length=upload.length,
            )
        check_size(length, self._rules.of(principal, upload.bucket).largest)
        return self._held.rows.announce_length(upload, length)

    def _with_digests(self, upload: Upload, announced: Mapping[str, bytes]) -> Upload:
        """Return the upload with the digests of the whole file that this request announces.

        The row keeps these digests, because any request may be the last one. Raises
        `MalformedDigest` if an earlier request has announced other digests.
        """
        before = upload.options.digests
        digests = {**before, **announced}
        if digests == before:
            return upload
        if any(digests[name] != digest for name, digest in before.items()):
            raise MalformedDigest("Repr-Digest differs from an earlier one of this upload.")
        return self._held.rows.announce_digests(upload, digests)

    def incoming(self, session: UploadSession, length: int, *, last: bool = False) -> IncomingBody:
        """Return the receiver of a body of `length` bytes.

        `last`: the client states that this body ends the upload.
        Raises `ExceedsUpload`, `QuotaExceeded` and the problem `storage-full`, after ending the
        session.
        """
        try:
            self._require_room(session, length)
        except BaseException:
            self.abandon(session)
            raise

        told = self._notices.of(session)

        def finish(whole: bool, error: Exception | None) -> Progress:  # noqa: FBT001 -- a callback
            progress = self._end(session, told, error, last=last, whole=whole)
            told.settled(progress.offset)
            return progress

        body = IncomingBody(
            session.part.descriptor,
            session.offset,
            length,
            finish,
            session.lease.on_request,
            told.received,
        )
        body.takes_long = self._ends_long(session, length, last=last)
        if session.offset < HEAD_BYTES and not session.upload.concat:
            body.check_at = HEAD_BYTES - session.offset
            body.check = lambda: self._check_head(session)
        return body

    def _ends_long(self, session: UploadSession, length: int, *, last: bool) -> bool:
        """Tell whether `finish` hashes many bytes, or sends many bytes to an object store."""
        upload, size = session.upload, session.offset + length
        if session.checksums and length >= BRIEF_BYTES:
            return True
        if not last and size != upload.length:
            return False
        # The last part of a concatenation triggers the joining of all parts.
        return upload.concat == "partial" or self._completer.takes_long(size)

    def abandon(self, session: UploadSession) -> None:
        """End a session that was refused before its bytes arrived."""
        try:
            self._give_back(session)
        finally:
            session.release()

    def _require_room(self, session: UploadSession, length: int) -> None:
        """Reserve disk space, and quota where the upload's length is unknown.

        After the request the unused part of the quota is released.
        """
        upload = session.upload
        most = upload.length
        if most is None:
            most = self._rules.of(session.principal, upload.bucket).largest.bytes
        room = most - session.offset
        if length > room:
            raise ExceedsUpload(length, room, most)
        if length:
            taken = self._room.take_disk(upload.tenant, length, session.written)
            session.give_back = partial(self._room.give_back, taken)
        size = session.offset + length
        if upload.length is None and size != upload.reserved_bytes:
            session.upload = self._held.rows.reserve(upload, size)

    def _check_head(self, session: UploadSession) -> None:
        """Check the type of the first bytes as soon as they are there; raises `TypeNotAllowed`."""
        upload = session.upload
        check_early(
            session.part.spool_file().read_at(0, HEAD_BYTES),
            upload.key.rpartition("/")[2],
            self._rules.of(session.principal, upload.bucket).policy,
            session.principal.ticket,
            upload.options.declared_type,
        )

    def _end(
        self,
        session: UploadSession,
        told: SessionProgress,
        error: Exception | None,
        *,
        last: bool,
        whole: bool,
    ) -> Progress:
        """End a session: keep the received bytes, and complete an upload that has all bytes."""
        try:
            # This check comes before any change of the file: another replica may have the lease by
            # now.
            session.lease.require()
            progress = self._settle(session, told, error, last=last, whole=whole)
        except UploadBusy:
            raise
        except BaseException:
            self._give_back(session)
            raise
        finally:
            session.release()
        if progress.upload.concat == "partial" and progress.complete:
            self._concatenator.join_finals_of(session.principal, progress.upload)
        return progress

    def _give_back(self, session: UploadSession) -> None:
        """Clean up after a failure.

        An upload that no client knows is deleted. Any other upload keeps the bytes that have
        arrived.
        """
        upload = session.upload
        if session.unknown:
            session.part.close()  # while the file is open, the disk keeps its bytes
            self._terminator.forget(upload)
        elif upload.length is None:
            # `Refused` means that the upload was deleted.
            with suppress(Refused, DatabaseUnavailable):
                size = session.part.size()
                self._held.note(upload, discard_from=upload.discard_from, size=size)

    def _settle(
        self,
        session: UploadSession,
        told: SessionProgress,
        error: Exception | None,
        *,
        last: bool,
        whole: bool,
    ) -> Progress:
        upload, part = session.upload, session.part
        if error is not None:
            self._terminator.give_up_after(error, upload)
            raise error
        # The body may have taken hours. If the permission is lost, the bytes stay: the tenant may
        # be resumed, and grants may be restored.
        session.principal = self._recheck(session.principal)
        self._held.require_reached(session.principal, upload)
        if session.unknown and not whole:
            self._terminator.remove(upload)
            return Progress(upload, 0)
        size = part.size()
        told.ended(size)
        wrong = checksums.mismatch(session) if whole else None
        if wrong is not None or (session.checksums and not whole):
            self._held.truncate(upload, part, session.offset)
            self._held.note(upload, discard_from=None, size=session.offset)
            if wrong is not None:
                raise wrong
            return Progress(upload, session.offset)
        if last and whole and upload.length is None:
            upload = self._held.rows.announce_length(upload, size)
        if size == upload.length and not upload.concat:
            return self._completer.complete(session.principal, upload, part)
        self._held.note(upload, discard_from=None, size=size)
        return Progress(upload, size)


def _mismatch(upload: Upload, offset: int, actual: int) -> ProblemError:
    return OFFSET_MISMATCH(
        f"The upload is at {actual} bytes; the request continues it at {offset}.",
        headers=(
            ("Upload-Offset", str(actual)),
            ("Upload-Complete", "?1" if upload.file else "?0"),
            *(() if upload.file else (expires_field(upload),)),
        ),
        expected_offset=actual,
        provided_offset=offset,
    )
