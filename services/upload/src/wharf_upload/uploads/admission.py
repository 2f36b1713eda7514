"""The admission: decides about an upload as far as possible before its body is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from servicekit.tokens import Principal
from wharf_upload.access import tickets
from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import OnConflict
from wharf_upload.domain.files import File
from wharf_upload.domain.refusals import (
    KeyTaken,
    PreconditionFailed,
    TicketUsedUp,
)
from wharf_upload.domain.upload_intent import SizeLimit, UploadIntent, check_name, check_size
from wharf_upload.domain.upload_request import UploadRequest
from wharf_upload.uploads.body_room import Body, BodyRoom, RoomTaken, Share, TicketLimit
from wharf_upload.uploads.disk_room import DiskRoom
from wharf_upload.uploads.rules import UploadRules

# A form has bytes in addition to its files: boundaries, part header fields and plain fields.
FORM_OVERHEAD_BYTES = 1 << 20
# The boundary and the header fields of one file in a form take at least this many bytes.
_LEAST_PART_BYTES = 64
# One inode is for the spool file, one for a new folder in the store.
_INODES_OF_FILE = 2


class StoredFiles(Protocol):
    """The queries that the admission sends to the database; see `database.contract`."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the file with this key, or `None`; the file may have expired."""

    def ticket_uses(self, tenant: str, ticket: str) -> int:
        """Return how many files clients have stored with an upload ticket."""


class SlicedUploads(Protocol):
    """The uploads that clients send in slices; see `database.upload_contract`."""

    def takes_slices(
        self, tenant: str, subject: str, bucket: str, *, ticket: str, least_bytes: int
    ) -> bool:
        """Tell whether a sliced upload of at least `least_bytes` is under way or has just ended."""


class Admission:
    """The decisions about uploads before their bodies are read.

    The commit checks again all conditions that may have changed since the admission.
    """

    def __init__(
        self,
        rules: UploadRules,
        room: DiskRoom,
        body_room: BodyRoom,
        files: StoredFiles,
        sliced: SlicedUploads,
        *,
        max_form_files: int,
        clock: Callable[[], float],
    ) -> None:
        """Create the admission; `clock` returns unix seconds."""
        self._rules, self._room, self._body_room = rules, room, body_room
        self._files, self._sliced = files, sliced
        self._max_form_files, self._clock = max_form_files, clock

    def intent_of(self, upload: UploadRequest) -> UploadIntent:
        """Return the intent of a `PUT` that was admitted before its body.

        Raises `NoSuchBucket`, `OutsideGrants` and `ExtensionNotAllowed`.
        """
        intent = self._rules.intent_of(upload)
        check_name(intent.filename, intent.policy)
        return intent

    def admit_file(self, upload: UploadRequest) -> UploadIntent:
        """Admit a `PUT` and return its intent.

        Raises the errors of `intent_of`, `TooLarge`, `KeyTaken`, `TicketUsedUp`,
        `PreconditionFailed` and the problem `storage-full`.
        """
        intent = self._rules.intent_of(upload)
        self._room.require(upload.length_bytes or 0)
        self._judge(upload, intent.policy, intent.largest)
        return intent

    def admit_large_file(self, upload: UploadRequest) -> RoomTaken:
        """Admit a large `PUT`, and reserve the resources that its body needs until it is stored.

        Raises the errors of `admit_file`, and `QuotaExceeded`.
        """
        policy, largest = self._rules.of_allowed(upload.caller, upload.bucket, upload.key)
        self._judge(upload, policy, largest)
        return self._body_room.take(
            Body(
                tenant=upload.tenant,
                length=upload.length_bytes,
                largest=largest.bytes,
                inodes=_INODES_OF_FILE,
                ticket=_ticket_limit(upload),
                # A request with an Idempotency-Key may repeat a stored upload, which needs no
                # quota.
                checks_quota=upload.idempotency is None,
                instead=lambda content_bytes: self._replacing(upload, content_bytes),
            )
        )

    def give_back(self, room: str) -> None:
        """Release the reservation of a body that has ended; an empty id has no effect."""
        if room:
            self._body_room.give_back(room)

    def _replacing(self, upload: UploadRequest, content_bytes: int) -> Share | None:
        """Return the quota that a body needs if it replaces a file; `None` if no file exists."""
        old = self._files.file(upload.tenant, upload.bucket, upload.key)
        return None if old is None else Share(content_bytes - old.size, 0)

    def admit_streamed_file(self, upload: UploadRequest) -> None:
        """Admit a streamed `PUT` as `admit_file` does.

        This method does not check the quota: the creation of the upload checks it.
        """
        self._room.require(upload.length_bytes or 0)
        self._judge(upload, *self._rules.of_allowed(upload.caller, upload.bucket, upload.key))

    def admit_stream_without_length(
        self, caller: Principal, bucket: str, length_bytes: int | None, offset: int = 0
    ) -> RoomTaken:
        """Reserve disk space for a body without a length that belongs to a resumable upload.

        Args:
            caller: the principal of the request.
            bucket: the bucket of the upload.
            length_bytes: the length of the whole upload, if it is known.
            offset: the position in the upload at which the body begins, as the client states it.

        Raises `NoSuchBucket` and the problem `storage-full`.
        """
        limit = self._rules.of(caller, bucket).largest.bytes
        if length_bytes is not None:
            limit = min(limit, length_bytes)
        return self._body_room.take_disk_without_length(
            caller.tenant,
            max(0, limit - offset),
            # An upload with a known length has reserved its share of the quota, or reserves that
            # share before it stores a byte.
            checks_quota=length_bytes is None,
            # The disk holds a copy of the body outside the spool until the body is complete. Then
            # the bytes of the body are appended to the upload.
            more_copies=1,
        )

    def _judge(self, upload: UploadRequest, policy: Policy, largest: SizeLimit) -> None:
        check_name(upload.key.rpartition("/")[2], policy)
        if upload.length_bytes is not None:
            check_size(upload.length_bytes, largest)
        # A retry with the same Idempotency-Key must not fail because of its first try: the first
        # try may have used the last use of the ticket, or stored the file at this key.
        if upload.idempotency is None:
            self.require_ticket_use(upload.caller)
            self.require_free_key(
                upload.tenant,
                upload.bucket,
                upload.key,
                upload.condition,
                "replace" if tickets.may_replace(upload.ticket) else "error",
            )

    def admit_form(self, upload: UploadRequest) -> RoomTaken:
        """Admit a multipart `POST`, and reserve the resources that it needs until it is stored.

        Raises `NoSuchBucket`, `OutsideGrants`, `TooLarge`, `TicketUsedUp`, `QuotaExceeded` and the
        problem `storage-full`.
        """
        rules = self._rules.of_allowed(upload.caller, upload.bucket)
        length, largest = upload.length_bytes, rules.largest
        files = tickets.most_files(upload.ticket, self._max_form_files)
        most = largest.bytes * files + FORM_OVERHEAD_BYTES
        if length is not None and length > most:
            check_size(length, largest)
        content_bytes = max(0, (length or 0) - FORM_OVERHEAD_BYTES)
        parts = files if length is None else min(files, length // _LEAST_PART_BYTES + 1)
        # The quota already counts the file that a slice belongs to. The admission does not know the
        # files of a form before the form has arrived.
        takes_slices = partial(self._takes_slices, upload, content_bytes)
        return self._body_room.take(
            Body(
                tenant=upload.tenant,
                length=length,
                largest=most,
                inodes=1 + parts,
                # The disk holds the spooled form and the copies of its files at the same time.
                copies=2,
                overhead=FORM_OVERHEAD_BYTES,
                ticket=_ticket_limit(upload, largest.bytes, takes_slices),
                # A slice of any length needs no share of the quota.
                instead=lambda content: (
                    Share(min(0, content - most), 0) if takes_slices() else None
                ),
            )
        )

    def _takes_slices(self, upload: UploadRequest, content_bytes: int) -> bool:
        """Tell whether a form may carry a slice of an upload that is under way or just ended."""
        caller = upload.caller
        return self._sliced.takes_slices(
            caller.tenant,
            caller.subject,
            upload.bucket,
            ticket=caller.token_id if caller.ticket is not None else "",
            least_bytes=content_bytes,
        )

    def require_ticket_use(self, caller: Principal) -> None:
        """Raise `TicketUsedUp` when all files that the caller's ticket allows are stored."""
        limit = caller.ticket.max_files if caller.ticket is not None else None
        if limit is None:
            return
        if self._files.ticket_uses(caller.tenant, caller.token_id) >= limit:
            raise TicketUsedUp(limit)

    def require_free_key(
        self,
        tenant: str,
        bucket: str,
        key: str,
        condition: WriteCondition | None,
        on_conflict: OnConflict,
    ) -> None:
        """Raise `PreconditionFailed` or `KeyTaken` if the existing file forbids this upload."""
        if condition is None and on_conflict != "error":
            return
        file = self._files.file(tenant, bucket, key)
        expired = file is not None and file.is_expired(int(self._clock() * 1000))
        current = None if expired else file
        if condition is not None and not condition.allows(
            None if current is None else current.etag
        ):
            raise PreconditionFailed
        if on_conflict == "error" and current is not None:
            raise KeyTaken(current.key)


def _ticket_limit(
    upload: UploadRequest,
    bytes_of_a_file: int | None = None,
    takes_slices: Callable[[], bool] = lambda: False,
) -> TicketLimit | None:
    """Return the limits of the caller's ticket for concurrent bodies; `None` means no limit."""
    caller = upload.caller
    limit = caller.ticket.max_files if caller.ticket is not None else None
    if limit is None:
        return None
    return TicketLimit(
        id=caller.token_id,
        max_files=limit,
        # A retry with the same Idempotency-Key must not fail because its first try has used the
        # last use of the ticket.
        counts_uses=upload.idempotency is None,
        bytes_of_a_file=bytes_of_a_file,
        takes_slices=takes_slices,
    )
