"""Admission: everything that can be decided about an upload before its body is read."""

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

# What a form adds to its files: boundaries, part headers, plain fields.
FORM_OVERHEAD_BYTES = 1 << 20
# A file of a form has at least a boundary and a part header of this length.
_LEAST_PART_BYTES = 64
# The file in the spool, and a folder for its final name.
_INODES_OF_FILE = 2


class StoredFiles(Protocol):
    """What admission asks the database; see `database.contract`."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the live file of this key."""

    def ticket_uses(self, tenant: str, ticket: str) -> int:
        """Return how many files an upload ticket has brought."""


class SlicedUploads(Protocol):
    """Files that come in slices; see `database.upload_contract`."""

    def takes_slices(
        self, tenant: str, subject: str, bucket: str, *, ticket: str, least_bytes: int
    ) -> bool:
        """Tell whether a file comes, or has just come, in slices, and has `least_bytes`."""


class Admission:
    """Decides about uploads before their bodies; the commit decides again about what may change."""

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
        """`clock` gives unix seconds."""
        self._rules, self._room, self._body_room = rules, room, body_room
        self._files, self._sliced = files, sliced
        self._max_form_files, self._clock = max_form_files, clock

    def intent_of(self, upload: UploadRequest) -> UploadIntent:
        """Return what is to be stored for a `PUT` that was admitted before its body.

        Raises `NoSuchBucket`, `OutsideGrants` and `ExtensionNotAllowed`.
        """
        intent = self._rules.intent_of(upload)
        check_name(intent.filename, intent.policy)
        return intent

    def admit_file(self, upload: UploadRequest) -> UploadIntent:
        """Return what is to be stored for a `PUT` that may come.

        Raises what `intent_of` raises, `TooLarge`, `KeyTaken`, `TicketUsedUp`,
        `PreconditionFailed` and the problem `storage-full`.
        """
        intent = self._rules.intent_of(upload)
        self._room.require(upload.length_bytes or 0)
        self._judge(upload, intent.policy, intent.largest)
        return intent

    def admit_large_file(self, upload: UploadRequest) -> RoomTaken:
        """Decide as `admit_file`, and reserve what the body needs until it is stored.

        Raises what `admit_file` raises, and `QuotaExceeded`.
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
                # It may repeat an upload that is stored already, which costs nothing.
                checks_quota=upload.idempotency is None,
                instead=lambda content_bytes: self._replacing(upload, content_bytes),
            )
        )

    def give_back(self, room: str) -> None:
        """Give back what was reserved for a body that has ended; empty: nothing."""
        if room:
            self._body_room.give_back(room)

    def _replacing(self, upload: UploadRequest, content_bytes: int) -> Share | None:
        """Return what a body needs of the quota where it replaces a file."""
        old = self._files.file(upload.tenant, upload.bucket, upload.key)
        return None if old is None else Share(content_bytes - old.size, 0)

    def admit_streamed_file(self, upload: UploadRequest) -> None:
        """Decide as `admit_file`; the creation of the upload looks at the quota."""
        self._room.require(upload.length_bytes or 0)
        self._judge(upload, *self._rules.of_allowed(upload.caller, upload.bucket, upload.key))

    def admit_stream_without_length(
        self, caller: Principal, bucket: str, length_bytes: int | None, offset: int = 0
    ) -> RoomTaken:
        """Reserve room for a body of a resumable upload that says no length.

        Args:
            caller: of the request.
            bucket: of the upload.
            length_bytes: of the whole upload, where it is known.
            offset: where in the upload the body begins, by the client's word.

        Raises `NoSuchBucket` and the problem `storage-full`.
        """
        limit = self._rules.of(caller, bucket).largest.bytes
        if length_bytes is not None:
            limit = min(limit, length_bytes)
        return self._body_room.take_disk_without_length(
            caller.tenant,
            max(0, limit - offset),
            # One with a length has its part of the quota, or takes it before it keeps a byte.
            checks_quota=length_bytes is None,
            # The body lies beside the spool until it is whole, and then grows on to the upload.
            more_copies=1,
        )

    def _judge(self, upload: UploadRequest, policy: Policy, largest: SizeLimit) -> None:
        check_name(upload.key.rpartition("/")[2], policy)
        if upload.length_bytes is not None:
            check_size(upload.length_bytes, largest)
        # With an Idempotency-Key the last use of the ticket, or the file that stands in the way,
        # may be of the first try of this very request.
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
        """Decide about a multipart `POST`, and reserve what it needs until it is stored.

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
        # The file of a slice is accounted for; the files of a form are known when it is there.
        takes_slices = partial(self._takes_slices, upload, content_bytes)
        return self._body_room.take(
            Body(
                tenant=upload.tenant,
                length=length,
                largest=most,
                inodes=1 + parts,
                # The spooled form and the files copied out of it lie side by side for a moment.
                copies=2,
                overhead=FORM_OVERHEAD_BYTES,
                ticket=_ticket_limit(upload, largest.bytes, takes_slices),
                # A slice needs nothing of it, however long it is.
                instead=lambda content: (
                    Share(min(0, content - most), 0) if takes_slices() else None
                ),
            )
        )

    def _takes_slices(self, upload: UploadRequest, content_bytes: int) -> bool:
        """Tell whether a form may bring a slice of a file that comes, or has come."""
        caller = upload.caller
        return self._sliced.takes_slices(
            caller.tenant,
            caller.subject,
            upload.bucket,
            ticket=caller.token_id if caller.ticket is not None else "",
            least_bytes=content_bytes,
        )

    def require_ticket_use(self, caller: Principal) -> None:
        """Raise `TicketUsedUp` when the caller's ticket has brought all its files."""
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
        """Raise `PreconditionFailed` or `KeyTaken` where the file that is there forbids another."""
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
    """Return what the caller's ticket lets come at the same time; `None` is no limit."""
    caller = upload.caller
    limit = caller.ticket.max_files if caller.ticket is not None else None
    if limit is None:
        return None
    return TicketLimit(
        id=caller.token_id,
        max_files=limit,
        # With an Idempotency-Key the last use may be of the first try of this very request.
        counts_uses=upload.idempotency is None,
        bytes_of_a_file=bytes_of_a_file,
        takes_slices=takes_slices,
    )
