"""Admission: everything that can be decided about an upload before its body is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    QuotaExceeded,
    TicketUsedUp,
)
from wharf_upload.domain.upload_intent import SizeLimit, UploadIntent, check_name, check_size
from wharf_upload.domain.upload_request import UploadRequest
from wharf_upload.tenancy.quotas import QuotaCheck
from wharf_upload.uploads.disk_room import DiskRoom
from wharf_upload.uploads.rules import UploadRules
from wharf_upload.uploads.unsized_bodies import BodyBound, UnsizedBodies

# What a form adds to its files: boundaries, part headers, plain fields.
FORM_OVERHEAD_BYTES = 1 << 20


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
        quotas: QuotaCheck,
        files: StoredFiles,
        sliced: SlicedUploads,
        *,
        max_form_files: int,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives unix seconds."""
        self._rules, self._room, self._quotas, self._files = rules, room, quotas, files
        self._sliced, self._unsized = sliced, UnsizedBodies(room)
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
        self._judge(upload, intent.policy, intent.largest)
        return intent

    def admit_large_file(self, upload: UploadRequest) -> BodyBound | None:
        """Decide as `admit_file`, with a first look at the quota: it spares a large body.

        Return the bound of a body that says no length.
        """
        rules = self._rules.of_allowed(upload.caller, upload.bucket, upload.key)
        self._judge(upload, *rules)
        self._quotas.require_for_file(upload)
        if upload.length_bytes is not None:
            return None
        limit = rules.largest.bytes
        return self._unsized.bound_of(limit, self._quotas.left_for_file(upload, limit))

    def admit_streamed_file(self, upload: UploadRequest) -> None:
        """Decide as `admit_file`; the creation of the upload looks at the quota."""
        self._judge(upload, *self._rules.of_allowed(upload.caller, upload.bucket, upload.key))

    def bound_of_stream(
        self, caller: Principal, bucket: str, length_bytes: int | None, offset: int = 0
    ) -> BodyBound:
        """Return the bound of a body of a resumable upload that says no length.

        Args:
            caller: of the request.
            bucket: of the upload.
            length_bytes: of the whole upload, where it is known.
            offset: where in the upload the body begins, by the client's word.

        Raises `NoSuchBucket` and the problem `storage-full`.
        """
        limit, left = self._rules.of(caller, bucket).largest.bytes, None
        if length_bytes is not None:
            # The upload has reserved its part of the quota, or does so before it keeps anything.
            limit = min(limit, length_bytes)
        else:
            left = self._quotas.left(caller.tenant, limit)
        # The body lies in the spool until it is whole, and then grows on to the upload.
        return self._unsized.bound_of(max(0, limit - offset), left, copies=2)

    def _judge(self, upload: UploadRequest, policy: Policy, largest: SizeLimit) -> None:
        check_name(upload.key.rpartition("/")[2], policy)
        length = upload.length_bytes
        if length is not None:
            check_size(length, largest)
        self._room.require(length or 0)
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

    def admit_form(self, upload: UploadRequest) -> BodyBound | None:
        """Decide about a multipart `POST`; return the bound of one that says no length.

        Raises `NoSuchBucket`, `OutsideGrants`, `TooLarge`, `TicketUsedUp`, `QuotaExceeded` and the
        problem `storage-full`.
        """
        rules = self._rules.of_allowed(upload.caller, upload.bucket)
        length = upload.length_bytes
        content_bytes = max(0, (length or 0) - FORM_OVERHEAD_BYTES)
        if upload.idempotency is None:
            with self._but_slices(upload, content_bytes):
                self.require_ticket_use(upload.caller)
        files = tickets.most_files(upload.ticket, self._max_form_files)
        limit = rules.largest.bytes * files + FORM_OVERHEAD_BYTES
        if length is not None:
            if length > limit:
                check_size(length, rules.largest)
            # The spooled form and the files copied out of it lie side by side for a moment.
            self._room.require(2 * length)
        with self._but_slices(upload, content_bytes):
            self._quotas.require_for_form(upload.tenant, content_bytes)
        return self._bound_of_form(upload, limit) if length is None else None

    def _bound_of_form(self, upload: UploadRequest, limit_bytes: int) -> BodyBound:
        left = None
        if upload.idempotency is None:  # else it may repeat a form that is stored already
            left = self._quotas.left(upload.tenant, limit_bytes)
        if left is not None:
            left += FORM_OVERHEAD_BYTES
            if left < limit_bytes and self._may_bring_slice(upload, 0):
                left = None
        return self._unsized.bound_of(limit_bytes, left, copies=2)

    @contextmanager
    def _but_slices(self, upload: UploadRequest, content_bytes: int) -> Iterator[None]:
        """Let a form come after a refusal when it may bring a slice: its file is accounted for.

        What it brings is known when it is there: then it is decided again.
        """
        try:
            yield
        except (TicketUsedUp, QuotaExceeded):
            if not self._may_bring_slice(upload, content_bytes):
                raise

    def _may_bring_slice(self, upload: UploadRequest, content_bytes: int) -> bool:
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
