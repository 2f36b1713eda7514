"""The engine of resumable uploads: one for tus and for the IETF protocol, which only speak to it.

An upload is a row and a growing file. The file's size is its offset. When all has come, it becomes
a file like any other: type from the bytes, digest, durable order of writes, one commit.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import msgspec

from servicekit.database import DatabaseUnavailable
from servicekit.ids import uuid7_hex
from servicekit.problems import MALFORMED, NOT_FOUND, ProblemError
from servicekit.tokens import Principal
from wharf_upload import stages
from wharf_upload.domain import admission, receiving, tickets
from wharf_upload.domain.conditions import http_date
from wharf_upload.domain.digests import DigestMismatch
from wharf_upload.domain.sniffing import HEAD_BYTES, sniff
from wharf_upload.domain.upload_leases import JoinedElsewhere, Lease, Leases, UploadBusy
from wharf_upload.domain.uploads import Intent, SizeLimit, check_name, check_size, check_type
from wharf_upload.following import forget
from wharf_upload.problems import CHECKSUM_MISMATCH, OFFSET_MISMATCH, UPLOAD_LENGTH
from wharf_upload.records.base import File, Policy, Refused, UploadEnd
from wharf_upload.records.uploads import Concat, Options, Upload
from wharf_upload.service import Service
from wharf_upload.stores.base import BlobMissing, BlobName
from wharf_upload.stores.parts import Part

# The time until an upload expires is prolonged at most so often: each time is a commit.
_RENEW_MILLISECONDS = 60_000
_BLOCK_BYTES = 1 << 18


_NO_OPTIONS = Options()


@dataclass(frozen=True)
class Wanted:
    """A new upload, as either protocol says it. `length` is in bytes, `None`: not known yet."""

    bucket: str
    key: str
    length: int | None
    options: Options = _NO_OPTIONS
    concat: Concat = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checksum:
    """What the body of one request must hash to; `algorithm` is one of hashlib's.

    `announced` is its name in Content-Digest, where it came from there (RFC 9530).
    """

    algorithm: str
    digest: bytes
    announced: str = ""


@dataclass(frozen=True)
class Progress:
    """How far an upload is: `offset` bytes are there. `file` when it has become one."""

    upload: Upload
    offset: int
    file: File | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.file is not None or self.offset == self.upload.length


@dataclass
class Appending:
    """A request that brings bytes, with the upload to itself until `end`."""

    principal: Principal
    upload: Upload
    part: Part
    lease: Lease
    offset: int
    checksums: tuple[Checksum, ...] = ()
    # Whether nobody but this request knows the upload: if it breaks, nobody can go on.
    unknown: bool = False

    def release(self) -> None:
        """Lets others have it."""
        self.part.close()
        self.lease.release()


class Resumable:
    """Works on uploads; every call names who asks, and other people's uploads do not exist."""

    def __init__(self, service: Service) -> None:
        shared = service.settings.leases_are_shared
        self._service, self._leases = service, Leases(service.leases if shared else None)
        self._begun = tickets.Begun(service.limits.counted)
        self._joining: set[str] = set()
        self._joining_lock = threading.Lock()

    def holds(self, identifier: str) -> bool:
        """Whether this process works on an upload; always, where there is no other replica."""
        return self._leases.holds(identifier)

    # ---- creation ----

    def create(self, principal: Principal, wanted: Wanted) -> Upload:
        """A new upload, its length reserved; raises problems and refusals."""
        service = self._service
        policy, largest = self._rules(principal, wanted.bucket)
        admission.look_at_uses(service, principal)
        if wanted.concat != "partial":
            check_name(wanted.key.rpartition("/")[2], policy)
        if wanted.length is not None:
            check_size(wanted.length, largest)
            admission.require_room(service, wanted.length)
        for part in wanted.parts:
            if self.find(principal, part).concat != "partial":
                raise MALFORMED("Upload-Concat names an upload that is not a partial one.")
        self._begun.count(principal)
        now = self._now()
        upload = Upload(
            id=uuid7_hex(),
            tenant=principal.tenant,
            subject=principal.subject,
            bucket=wanted.bucket,
            key=wanted.key,
            length=wanted.length,
            concat=wanted.concat,
            parts=wanted.parts,
            options=wanted.options,
            # What a final upload is made of has been reserved already.
            reserved_bytes=0 if wanted.concat == "final" else wanted.length or 0,
            created_at=now,
            expires_at=now + 1000 * service.settings.upload_expiry_seconds,
        )
        service.parts.create(upload.id)
        try:
            service.uploads.create(upload)
        except BaseException:
            service.parts.remove(upload.id)
            raise
        return upload

    def _rules(self, principal: Principal, bucket: str) -> tuple[Policy, SizeLimit]:
        policy = admission.find_bucket(self._service, principal.tenant, bucket).policy
        return policy, admission.largest_file(self._service, principal, policy)

    # ---- looking ----

    def find(self, principal: Principal, identifier: str) -> Upload:
        """The upload; raises the problem `not-found`."""
        upload = self._service.uploads.get(principal.tenant, identifier)
        if upload is None or upload.subject != principal.subject or self._is_over(upload):
            raise NOT_FOUND("There is no such upload.")
        if principal.ticket is not None:
            # Which methods it names was asked when the upload was created.
            method = principal.ticket.methods[0]
            tickets.require(principal.ticket, method, upload.bucket, upload.key or None)
        return upload

    def ended(self, principal: Principal, identifier: str, offset: int) -> Progress | None:
        """The upload, if it is complete with so many bytes: who asks again missed the answer."""
        upload = self.find(principal, identifier)
        if upload.file is None or upload.file.size != offset:
            return None
        return Progress(upload, offset, upload.file)

    def _is_over(self, upload: Upload) -> bool:
        """Whether its time is over; of unfinished ones it is counted from their last bytes."""
        now = self._now()
        if upload.expires_at > now:
            return False
        changed_at = 0.0 if upload.file else self._service.parts.changed_at(upload.id)
        return 1000 * (changed_at + self._service.settings.upload_expiry_seconds) <= now

    def look(self, principal: Principal, identifier: str) -> Progress:
        """How far it is; ends a request that still brings bytes, and what a crash left undone."""
        upload = self.find(principal, identifier)
        if upload.concat == "final" and upload.file is None:
            return self.join(principal, upload)
        if upload.file is not None:
            return Progress(upload, upload.file.size, upload.file)
        with _released(self._take(identifier)):
            upload = self.find(principal, identifier)
            if upload.file is not None:
                return Progress(upload, upload.file.size, upload.file)
            part = self._open(upload)
            try:
                size = self._settled(upload, part)
                if size == upload.length and not upload.concat:
                    return self._complete(principal, upload, part)
                return Progress(upload, size)
            finally:
                part.close()

    def _take(self, identifier: str, *, patient: bool = False, queue: bool = True) -> Lease:
        lease = self._leases.take(identifier, patient=patient, queue=queue)
        if lease.was_elsewhere:
            # Another replica may have cut back, and written anew, what this one has hashed.
            forget(self._service.follower, identifier)
        return lease

    def _open(self, upload: Upload) -> Part:
        try:
            return self._service.parts.open(upload.id, alone=self._leases.is_shared)
        except BlobMissing:
            raise NOT_FOUND("There is no such upload.") from None

    def _settled(self, upload: Upload, part: Part) -> int:
        """The part's size, without what an interrupted request brought and could not verify."""
        size = part.size()
        if upload.discard_from is not None and size > upload.discard_from:
            self._truncate(upload, part, upload.discard_from)
            return upload.discard_from
        return size

    def _truncate(self, upload: Upload, part: Part, size: int) -> None:
        part.truncate(size)
        # It has read, and hashed, what is gone now.
        forget(self._service.follower, upload.id)

    # ---- bytes ----

    def begin(
        self,
        principal: Principal,
        identifier: str,
        offset: int | None,
        *,
        checksums: tuple[Checksum, ...] = (),
        length: int | None = None,
    ) -> Appending:
        """The upload, ready for bytes at `offset`; `length` announces it where it was not known.

        Raises the problems `not-found`, `mismatching-upload-offset` and `inconsistent-length`.
        """
        self.find(principal, identifier)
        lease = self._take(identifier)
        part: Part | None = None
        try:
            # Read again: the request that had the lease may have changed it.
            upload = self.find(principal, identifier)
            if upload.file is not None:
                raise _mismatch(upload, offset, upload.file.size)
            part = self._open(upload)
            size = self._settled(upload, part)
            if offset is not None and offset != size:
                raise _mismatch(upload, offset, size)
            upload = self._announced(principal, upload, length, size)
            # What came without a checksum is kept, also when what came before had one.
            discard_from = size if checksums else None
            if discard_from != upload.discard_from:
                self._note(upload, discard_from=discard_from, size=size)
                upload = msgspec.structs.replace(
                    upload,
                    discard_from=discard_from,
                    reserved_bytes=size if upload.length is None else upload.reserved_bytes,
                )
            return Appending(principal, upload, part, lease, size, checksums)
        except BaseException:
            if part is not None:
                part.close()
            lease.release()
            raise

    def begin_first(
        self, principal: Principal, upload: Upload, checksums: tuple[Checksum, ...]
    ) -> Appending:
        """As `begin`, in the request that created the upload: without an answer nobody knows it."""
        with self.unless_refused(upload):
            appending = self.begin(principal, upload.id, 0, checksums=checksums)
        appending.unknown = True
        return appending

    @contextmanager
    def unless_refused(self, upload: Upload) -> Iterator[None]:
        """Drops an upload that nobody will know of when what is done inside raises."""
        try:
            yield
        except BaseException:
            self._forget(upload)
            raise

    def reserve(self, appending: Appending, length: int) -> None:
        """Counts the bytes of a request to come where the whole length is unknown.

        Raises `QuotaExceeded`. What does not come is given back when the request ends.
        """
        upload, size = appending.upload, appending.offset + length
        if upload.length is None and size != upload.reserved_bytes:
            appending.upload = self._service.uploads.reserve(upload, size)

    def abandon(self, appending: Appending) -> None:
        """Ends a request that was refused before its bytes."""
        self._given_back(appending)
        appending.release()

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
        check_size(length, self._rules(principal, upload.bucket)[1])
        return self._service.uploads.announce_length(upload, length)

    def most(self, principal: Principal, upload: Upload) -> int:
        """How many bytes the upload may have, by the rules of its bucket and the credential."""
        return self._rules(principal, upload.bucket)[1].bytes

    def room(self, appending: Appending) -> int:
        """How many bytes may follow, by what was announced and what the bucket takes."""
        upload = appending.upload
        if upload.length is not None:
            return upload.length - appending.offset
        return self._rules(appending.principal, upload.bucket)[1].bytes - appending.offset

    def check_head(self, appending: Appending) -> None:
        """Looks at the first bytes as soon as they are there; raises `TypeNotAllowed`."""
        upload = appending.upload
        head = os.pread(appending.part.descriptor, HEAD_BYTES, 0)
        check_type(
            sniff(head, complete=False),
            upload.key.rpartition("/")[2],
            self._rules(appending.principal, upload.bucket)[0],
            appending.principal.ticket,
        )

    def end(
        self, appending: Appending, error: Exception | None, *, last: bool = False, whole: bool
    ) -> Progress:
        """Ends a request that brought bytes: keeps them, and completes the upload when it can.

        `last`: the client says that there are no more. `whole`: all of this request's body came.
        """
        try:
            # Before anything is cut back or given up: it may be another replica's by now.
            appending.lease.require()
            progress = self._end(appending, error, last=last, whole=whole)
        except UploadBusy:
            raise
        except BaseException:
            self._given_back(appending)
            raise
        finally:
            appending.release()
        upload = progress.upload
        if upload.concat == "partial" and progress.complete:
            for final in self._service.uploads.finals_of(upload.tenant, upload.id):
                self.join(appending.principal, final)
        return progress

    def _given_back(self, appending: Appending) -> None:
        """After a failure: an upload that nobody knows goes, others keep what has come."""
        upload = appending.upload
        if appending.unknown:
            appending.part.close()  # else the disk keeps its bytes
            self._forget(upload)
        elif upload.length is None:
            # Refused: it was dropped.
            with suppress(Refused, DatabaseUnavailable):
                size = appending.part.size()
                self._note(upload, discard_from=upload.discard_from, size=size)

    def _end(
        self, appending: Appending, error: Exception | None, *, last: bool, whole: bool
    ) -> Progress:
        upload, part = appending.upload, appending.part
        if error is not None:
            self._give_up_after(error, upload)
            raise error
        # The body may have taken hours. What arrived stays: a tenant may be resumed.
        self._service.revocations.check(appending.principal)
        if appending.unknown and not whole:
            self._drop(upload)
            return Progress(upload, 0)
        size = part.size()
        wrong = _mismatches(appending) if whole else None
        if wrong is not None or (appending.checksums and not whole):
            self._truncate(upload, part, appending.offset)
            self._note(upload, discard_from=None, size=appending.offset)
            if wrong is not None:
                raise wrong
            return Progress(upload, appending.offset)
        if last and whole and upload.length is None:
            upload = self._service.uploads.announce_length(upload, size)
        if size == upload.length and not upload.concat:
            return self._complete(appending.principal, upload, part)
        self._note(upload, discard_from=None, size=size)
        return Progress(upload, size)

    def _note(self, upload: Upload, *, discard_from: int | None, size: int) -> None:
        """Keeps what must be known after a crash; most requests that bring bytes change nothing."""
        expires_at = self._now() + 1000 * self._service.settings.upload_expiry_seconds
        if (
            discard_from == upload.discard_from
            and upload.length is not None
            and expires_at - upload.expires_at < _RENEW_MILLISECONDS
        ):
            return
        self._service.uploads.progress(
            upload, expires_at=expires_at, discard_from=discard_from, size=size
        )

    # ---- the end ----

    def _complete(self, principal: Principal, upload: Upload, part: Part) -> Progress:
        """Makes a file of it; what the policy or the quota refuses is gone for good."""
        try:
            file = self._stored(principal, upload, part)
        except Exception as error:
            self._give_up_after(error, upload)
            raise
        self._service.parts.remove(upload.id)
        return Progress(msgspec.structs.replace(upload, file=file), file.size, file)

    def _give_up_after(self, error: Exception, upload: Upload) -> None:
        """A refusal will be the same next time; a fault of ours may not be."""
        lasting = (Refused, ValueError)
        if isinstance(error, lasting) or (
            isinstance(error, ProblemError) and 400 <= error.problem.status < 500
        ):
            # Another replica may have made a file of it meanwhile: that one's client may ask.
            self._service.uploads.give_up(upload)
            self._service.parts.remove(upload.id)

    def _stored(self, principal: Principal, upload: Upload, part: Part) -> File:
        begun = time.perf_counter()
        service, size = self._service, part.size()
        on_conflict = upload.options.on_conflict
        if on_conflict == "replace" and not tickets.may_replace(principal.ticket):
            on_conflict = "error"  # began with a token that could do more than this one
        policy, largest = self._rules(principal, upload.bucket)
        intent = Intent(
            tenant=upload.tenant,
            subject=upload.subject,
            bucket=upload.bucket,
            key=upload.key,
            policy=policy,
            largest=largest,
            declared_type=upload.options.declared_type,
            digests=upload.options.digests,
            condition=upload.options.condition,
            on_conflict=on_conflict,
            ticket=principal.ticket,
            use=tickets.use_of(principal),
        )
        check_name(intent.filename, policy)
        check_size(size, largest)
        head = os.pread(part.descriptor, HEAD_BYTES, 0)
        sniffed = sniff(head, complete=size <= HEAD_BYTES)
        check_type(sniffed, intent.filename, policy, principal.ticket)
        sha256 = receiving.digest_of(
            service,
            part.descriptor,
            part.path,
            intent.digests,
            sync=lambda: service.parts.sync(part),
        )
        # A name of its own each time: one that a crash left without a row may be swept right now.
        blob = uuid7_hex()
        service.parts.commit(part, BlobName(upload.tenant, blob))
        active = receiving.is_active(sniffed, head, receiving.tail_of(part.descriptor, size))
        file = receiving.describe(intent, sha256, size, sniffed, blob, active=active)
        expires_at = self._now() + 1000 * service.settings.upload_expiry_seconds
        end = UploadEnd(
            id=upload.id,
            parts=upload.parts,
            expires_at=expires_at,
        )
        stages.ended(stages.RECEIVE, begun)
        return receiving.keep(service, intent, (file,), end).files[0]

    def join(self, principal: Principal, final: Upload) -> Progress:
        """Joins the parts of a final upload when all are there; else nothing happens."""
        if self._sizes(final) is None:
            # Before any lease is asked for: a part that is still coming is left in peace.
            return Progress(final, 0)
        with ExitStack() as leases:
            if not leases.enter_context(self._alone(final.id)):
                return Progress(final, 0)  # the last part's end joins; another one's is on its way
            try:
                leases.enter_context(_released(self._take(final.id, patient=True, queue=False)))
            except JoinedElsewhere:
                return Progress(final, 0)  # as above, in another replica
            # In one order always: two finals of the same parts must not wait for each other.
            for name in sorted(final.parts):
                leases.enter_context(_released(self._take(name, patient=True)))
            final = self.find(principal, final.id)
            if final.file is not None:
                return Progress(final, final.file.size, final.file)
            sizes = self._sizes(final)
            if sizes is None:
                return Progress(final, 0)
            return self._joined(principal, final, sizes)

    @contextmanager
    def _alone(self, final: str) -> Iterator[bool]:
        """Whether nobody else joins it: waiting for them would only hold a thread."""
        with self._joining_lock:
            alone = final not in self._joining
            self._joining.add(final)
        try:
            yield alone
        finally:
            if alone:
                self._joining.discard(final)

    def _sizes(self, final: Upload) -> list[int] | None:
        """The sizes (bytes) of its parts, when all of them are complete."""
        sizes = []
        for name in final.parts:
            part = self._service.uploads.get(final.tenant, name)
            try:
                size = self._service.parts.size(name)
            except BlobMissing:
                return None
            if part is None or part.length != size:
                return None
            if part.discard_from is not None and size > part.discard_from:
                return None  # bytes that were never verified
            sizes.append(size)
        return sizes

    def _joined(self, principal: Principal, final: Upload, sizes: list[int]) -> Progress:
        parts = self._service.parts
        whole = self._open(final)
        try:
            self._truncate(final, whole, 0)
            for name, size in zip(final.parts, sizes, strict=True):
                source = parts.open(name, alone=self._leases.is_shared)
                try:
                    whole.append(source.descriptor, size)
                finally:
                    source.close()
            progress = self._complete(principal, final, whole)
        finally:
            whole.close()
        for name in final.parts:
            parts.remove(name)
        return progress

    def drop(self, principal: Principal, identifier: str) -> None:
        """Ends an upload on the client's wish; a file that it has become stays."""
        self.find(principal, identifier)
        with _released(self._take(identifier)):
            self._drop(self.find(principal, identifier))

    def _forget(self, upload: Upload) -> None:
        # The bytes first: on a full disk the database has no room to forget anything before.
        self._service.parts.remove(upload.id)
        with suppress(DatabaseUnavailable):  # then it counts until it expires
            self._service.uploads.remove(upload)

    def _drop(self, upload: Upload) -> None:
        # The row first: what is left of the bytes is then the sweeper's.
        self._service.uploads.remove(upload)
        self._service.parts.remove(upload.id)

    def _now(self) -> int:
        return int(self._service.clock() * 1000)


def _expires(upload: Upload) -> tuple[str, str]:
    return ("Upload-Expires", http_date(upload.expires_at // 1000))


def _mismatch(upload: Upload, offset: int | None, actual: int) -> ProblemError:
    return OFFSET_MISMATCH(
        f"The upload is at {actual} bytes; the request continues it at {offset}.",
        headers=(
            ("Upload-Offset", str(actual)),
            ("Upload-Complete", "?1" if upload.file else "?0"),
            *(() if upload.file else (_expires(upload),)),
        ),
        expected_offset=actual,
        provided_offset=offset,
    )


def _mismatches(appending: Appending) -> Exception | None:
    """What to say of bytes that do not have the checksums that were sent for them."""
    for checksum in appending.checksums:
        hashing, offset = hashlib.new(checksum.algorithm, usedforsecurity=False), appending.offset
        while block := os.pread(appending.part.descriptor, _BLOCK_BYTES, offset):
            hashing.update(block)
            offset += len(block)
        if hashing.digest() == checksum.digest:
            continue
        if checksum.announced:
            return DigestMismatch(checksum.announced, checksum.digest, hashing.digest())
        return CHECKSUM_MISMATCH(
            "The bytes of this request do not have the checksum that was sent; they were "
            "thrown away. Send them again.",
            headers=(_expires(appending.upload),),
            offset=appending.offset,
        )
    return None


@contextmanager
def _released(lease: Lease) -> Iterator[None]:
    try:
        yield
    finally:
        lease.release()
