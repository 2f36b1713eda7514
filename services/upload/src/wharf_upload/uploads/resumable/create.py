"""The creation of an upload: makes its row, its reservation and its empty file."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from servicekit.ids import uuid7_hex
from servicekit.problems import MALFORMED
from servicekit.tokens import Principal
from wharf_upload.access.tickets import TicketUploadLimit
from wharf_upload.domain.resumable_upload import AtAnotherReplica, Upload
from wharf_upload.domain.upload_intent import check_name, check_size
from wharf_upload.problems import PARTS_APART
from wharf_upload.uploads.admission import Admission
from wharf_upload.uploads.disk_room import DiskRoom
from wharf_upload.uploads.resumable.held import HeldUploads
from wharf_upload.uploads.resumable.values import UploadCreation
from wharf_upload.uploads.rules import UploadRules


class UploadCreator:
    """Creates uploads."""

    def __init__(
        self,
        held: HeldUploads,
        rules: UploadRules,
        room: DiskRoom,
        admission: Admission,
        ticket_limit: TicketUploadLimit,
        count_more: Callable[[str, str, int], None],
    ) -> None:
        """Create the creator.

        `count_more` counts the parts of an upload as further requests of a tenant and a client
        (`ratelimits.RateLimits.count_more`), because each part makes a row.
        """
        self._held, self._rules, self._room = held, rules, room
        self._admission, self._ticket_limit = admission, ticket_limit
        self._count_more = count_more

    def create(
        self, principal: Principal, wanted: UploadCreation, identifier: str | None = None
    ) -> Upload:
        """Create an upload, reserve its length, and return it.

        If the caller passes an `identifier`, it has already created the partial upload of this id.

        Raises `NoSuchBucket`, `OutsideGrants`, `TicketUsedUp`, `TicketRefused`,
        `ExtensionNotAllowed`, `TooLarge`, `PreconditionFailed`, `KeyTaken`, `QuotaExceeded`,
        `StoreError` and the problems `storage-full` and `malformed-request`.
        """
        self._require_allowed(principal, wanted)
        upload = Upload(
            id=identifier or uuid7_hex(),
            tenant=principal.tenant,
            subject=principal.subject,
            bucket=wanted.bucket,
            key=wanted.key,
            length=wanted.length,
            concat=wanted.concat,
            parts=wanted.parts,
            options=msgspec.structs.replace(wanted.options, by_ticket=principal.ticket is not None),
            # The parts of a final upload have already reserved its bytes.
            reserved_bytes=0 if wanted.concat == "final" else wanted.length or 0,
            created_at=self._held.now(),
            expires_at=self._held.expires_at(),
            replica=self._held.replica,
        )
        if identifier is None:
            self._held.partials.create(upload.id)
        try:
            self._held.rows.create(upload)
        except BaseException:
            self._held.partials.discard(upload.id)
            raise
        if upload.parts:
            self._count_more(upload.tenant, upload.subject, len(upload.parts))
        return upload

    def _require_allowed(self, principal: Principal, wanted: UploadCreation) -> None:
        policy, largest = self._rules.of_allowed(principal, wanted.bucket, wanted.key)
        if wanted.options.idempotency is None:
            # A retry with the same Idempotency-Key must not fail because of its first try, which
            # may have used the last use of the ticket.
            self._admission.require_ticket_use(principal)
        if wanted.concat != "partial":
            check_name(wanted.key.rpartition("/")[2], policy)
        if wanted.length is not None:
            check_size(wanted.length, largest)
            self._room.require(wanted.length)
        self._require_parts(principal, wanted.parts)
        self._require_free_key(principal, wanted)
        self._ticket_limit.count(principal)

    def _require_parts(self, principal: Principal, parts: tuple[str, ...]) -> None:
        """Require that all parts are partial uploads of one replica.

        Replicas with a common folder count as one. Raises `AtAnotherReplica` if the parts are at
        another replica.
        """
        others = set()
        for part in parts:
            try:
                found = self._held.find(principal, part)
            except AtAnotherReplica as error:
                others.add(error.replica)
                continue
            if found.concat != "partial":
                raise MALFORMED("Upload-Concat names an upload that is not a partial upload.")
            others.add("")
        if len(others) > 1:
            raise PARTS_APART(
                "The parts of this upload are at different replicas, which cannot join them."
            )
        for replica in filter(None, others):
            raise AtAnotherReplica(replica)

    def _require_free_key(self, principal: Principal, wanted: UploadCreation) -> None:
        """Raise the refusals of the commit early, before the bytes arrive."""
        options = wanted.options
        # A request with an Idempotency-Key may be a retry: its first try may have stored the file
        # at this key. A partial upload never becomes a file.
        if options.idempotency is None and wanted.concat != "partial":
            self._admission.require_free_key(
                principal.tenant,
                wanted.bucket,
                wanted.key,
                options.condition,
                options.on_conflict,
            )
