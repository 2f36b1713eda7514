"""The reception of slices: slices from forms become the file of a resumable upload.

The id of the upload is a hash of the sender, the ticket, the bucket and the uploader's identifier,
so that each slice finds its upload. The partial upload contains the first slices without a gap. A
slice that arrives too early is parked in a file next to the partial upload. Limits, quota and
expiry are those of any resumable upload.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress

import msgspec

from servicekit.tokens import Principal
from wharf_upload.domain.resumable_upload import AtAnotherReplica, Slicing, Upload, UploadOptions
from wharf_upload.problems import INCONSISTENT_SLICE, SLICES_REFUSED
from wharf_upload.storage.base import BlobMissing
from wharf_upload.storage.parked_slices import ParkedSlices
from wharf_upload.uploads.resumable.create import UploadCreator
from wharf_upload.uploads.resumable.held import HeldUploads
from wharf_upload.uploads.resumable.leases import UploadBusy
from wharf_upload.uploads.resumable.values import UploadCreation
from wharf_upload.uploads.slices import parking
from wharf_upload.uploads.slices.join import SliceJoiner
from wharf_upload.uploads.slices.turns import SliceTurns, Turn
from wharf_upload.uploads.slices.values import ArrivedSlice, Joined, SliceOutcome

# Another request needs only milliseconds to begin an upload.
_PATIENCE_SECONDS, _LOOK_SECONDS = 10.0, 0.01


class SliceReceiver:
    """Takes slices in any order, even concurrent or repeated slices; makes one file of them."""

    def __init__(
        self, held: HeldUploads, parked: ParkedSlices, creator: UploadCreator, joiner: SliceJoiner
    ) -> None:
        self._held, self._parked, self._creator = held, parked, creator
        self._joiner, self._turns = joiner, SliceTurns(held)

    def receive(self, arrived: ArrivedSlice) -> SliceOutcome:
        """Store a slice durably; return the file when no slice is missing.

        Raises the errors of the creation and of the completion of an upload, `UploadBusy`,
        `AtAnotherReplica`, and the problems `inconsistent-slice`, `upload-busy` and
        `slices-refused`.
        """
        identifier = upload_id(arrived)
        try:
            return self._receive(identifier, arrived)
        except AtAnotherReplica:
            raise
        except Exception:
            # The client must get the refusal of its own request, not an error of this cleanup.
            with suppress(Exception):
                self._join_for_others(identifier, arrived.principal)
            raise

    def _receive(self, identifier: str, arrived: ArrivedSlice) -> SliceOutcome:
        until = time.monotonic() + _PATIENCE_SECONDS
        kept = False
        if self._held.replica:
            # raises before it disturbs the work of another replica
            self._found(identifier, arrived)
        while True:
            with self._turns.take(identifier) as turn:
                found = None if turn is None else self._advance(turn, identifier, arrived, kept)
            if found is not None:
                if found.file is not None or not self._is_parked(found):
                    return SliceOutcome(found.file, self._held.expires_at(), found.repeated)
                kept = True
            elif turn is None and kept:
                # The request that has the turn joins parked slices when the turn ends.
                return SliceOutcome(None, self._held.expires_at())
            elif turn is None:
                upload = self._found(identifier, arrived)
                if upload is None:
                    _wait(until)
                elif upload.file is not None:
                    return SliceOutcome(upload.file, upload.expires_at, repeated=True)
                else:
                    self._park(upload, arrived)
                    kept = True

    def _park(self, upload: Upload, arrived: ArrivedSlice) -> None:
        slice_bytes = arrived.slice.slice_bytes
        try:
            next_index = self._held.partials.size(upload.id) // slice_bytes
        except BlobMissing:
            next_index = arrived.slice.count  # the upload has just become a file
        parking.park(self._parked, upload, arrived, next_index)

    def _advance(
        self,
        turn: Turn,
        identifier: str,
        arrived: ArrivedSlice,
        kept: bool,  # noqa: FBT001 -- of one caller
    ) -> Joined | None:
        """Join the slices that are there; `kept`: this slice is parked or joined already.

        Return the progress; `None` if another turn with an empty file is needed.
        """
        try:
            upload = self._found(identifier, arrived)
        except AtAnotherReplica:
            if turn.begun:
                self._held.partials.discard(identifier)
            raise
        if upload is not None and upload.file is None and turn.begun:
            if upload.expires_at > self._held.now():
                self._give_up_lost(upload)
            upload = None
        if upload is None:
            if turn.part.size():
                # The file of this turn belongs to an earlier upload, and may be a blob by now. It
                # must not change.
                self._held.partials.remove(identifier)
                return None
            upload = self._begun(identifier, arrived, kept=kept)
            kept = False  # the slice was kept for an upload that no longer exists
        if upload.file is not None:
            # The upload has become a file, and its partial upload was removed. So this turn has
            # made a new partial upload.
            self._held.partials.discard(identifier)
            return Joined(upload, arrived.slice.count, upload.file, repeated=True)
        waiting = None if kept else arrived
        return self._joiner.join(turn, upload, arrived.principal, waiting)

    def _give_up_lost(self, upload: Upload) -> None:
        """Give up an upload without its partial upload, because it can never become complete."""
        self._held.rows.give_up(upload)
        self._parked.note_refusal(upload.id, "The earlier slices were lost. Send all slices again.")

    def _join_for_others(self, identifier: str, principal: Principal) -> None:
        """Join slices that other requests parked during this request's turn."""
        while self._unfinished(principal, identifier) is not None:
            with self._turns.take(identifier) as turn:
                upload = self._unfinished(principal, identifier)
                if turn is None:
                    return
                if upload is None or turn.begun:
                    self._held.partials.discard(identifier)
                    return
                joined = self._joiner.join(turn, upload, principal, None)
            if joined.file is not None or not self._is_parked(joined):
                return

    def _unfinished(self, principal: Principal, identifier: str) -> Upload | None:
        upload = self._held.rows.get(principal.tenant, identifier)
        return upload if upload is not None and upload.file is None else None

    def _is_parked(self, joined: Joined) -> bool:
        """Tell whether another request parked the next slice during this request's turn."""
        return self._parked.is_there(joined.upload, joined.next_index)

    def _found(self, identifier: str, arrived: ArrivedSlice) -> Upload | None:
        """Return the upload of this slice, or `None`; raises if the slice does not match it."""
        upload = self._held.rows.get(arrived.principal.tenant, identifier)
        if upload is None or self._held.is_over(upload):
            return None
        self._held.require_here(upload)
        for name, said, known in (
            ("dztotalfilesize", arrived.slice.length, upload.length),
            ("dzchunksize", arrived.slice.slice_bytes, _slice_bytes(upload)),
            ("key", arrived.key, upload.key),
            ("on_conflict", arrived.options.on_conflict, upload.options.on_conflict),
        ):
            if said != known:
                raise INCONSISTENT_SLICE(
                    f"{name} of an earlier slice is {known}; of this slice it is {said}.",
                    field=name,
                )
        for name, asked, held in (
            ("If-Match and If-None-Match", arrived.condition, upload.options.condition),
            ("Idempotency-Key", arrived.idempotency, upload.options.idempotency),
        ):
            if asked != held:
                raise INCONSISTENT_SLICE(f"An earlier slice had another value of {name}.")
        return upload

    def _begun(self, identifier: str, arrived: ArrivedSlice, *, kept: bool) -> Upload:
        """Return a new upload; raises the errors of its creation and `slices-refused`."""
        try:
            self._require_not_refused(identifier, begins=arrived.slice.index == 0 and not kept)
            old = self._held.rows.get(arrived.principal.tenant, identifier)
            if old is not None:
                self._held.rows.remove(old)  # the old upload has expired
            # The name of the partial upload must be durable before the row: if a power failure lost
            # the file, the upload could never become complete.
            self._parked.sync_names()
            return self._creator.create(arrived.principal, _creation(arrived), identifier)
        except BaseException:
            self._held.partials.discard(identifier)
            raise

    def _require_not_refused(self, identifier: str, *, begins: bool) -> None:
        """Refuse slices that were under way when their file was refused.

        The first slice of the file starts the upload again.
        """
        reason = self._parked.refusal(identifier)
        if reason is None:
            return
        if not begins:
            raise SLICES_REFUSED(f"An earlier slice of this file was refused: {reason}")
        self._parked.forget_refusal(identifier)


def upload_id(arrived: ArrivedSlice) -> str:
    """Return the id of the upload that a slice belongs to.

    Each ticket has separate uploads: the holders of two tickets of one client do not know each
    other.
    """
    principal = arrived.principal
    names = (
        principal.tenant,
        principal.subject,
        ticket_id(principal),
        arrived.bucket,
        arrived.slice.uuid,
    )
    return hashlib.sha256(msgspec.json.encode(names)).hexdigest()[:32]


def ticket_id(principal: Principal) -> str:
    """Return the id of the caller's upload ticket, or "" if the token is no ticket."""
    return principal.token_id if principal.ticket is not None else ""


def _wait(until: float) -> None:
    """Wait for another request that is creating the upload; raises `UploadBusy`."""
    if time.monotonic() > until:
        raise UploadBusy("another request begins this upload")
    time.sleep(_LOOK_SECONDS)


def _creation(arrived: ArrivedSlice) -> UploadCreation:
    return UploadCreation(
        bucket=arrived.bucket,
        key=arrived.key,
        length=arrived.slice.length,
        options=UploadOptions(
            declared_type=arrived.declared_type,
            on_conflict=arrived.options.on_conflict,
            condition=arrived.condition,
            idempotency=arrived.idempotency,
            slicing=Slicing(
                slice_bytes=arrived.slice.slice_bytes, ticket=ticket_id(arrived.principal)
            ),
        ),
    )


def _slice_bytes(upload: Upload) -> int | None:
    return None if upload.options.slicing is None else upload.options.slicing.slice_bytes
