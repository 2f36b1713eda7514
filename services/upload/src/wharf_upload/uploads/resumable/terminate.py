"""The end of an upload that does not become a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from servicekit.database import DatabaseUnavailable
from servicekit.problems import ProblemError
from servicekit.tokens import Principal
from wharf_upload.domain.refusals import Refused, TooManyIdempotencyKeys
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.storage.base import StoreError
from wharf_upload.storage.parked_slices import ParkedSlices
from wharf_upload.uploads.resumable.held import HeldUploads, is_refusal, released


class UploadTerminator:
    """Removes uploads: their rows and their bytes."""

    def __init__(self, held: HeldUploads, parked: ParkedSlices) -> None:
        self._held, self._parked = held, parked

    def terminate(self, principal: Principal, identifier: str, sender: str | None) -> None:
        """End an upload because the client asks for it; a file that the upload has become stays.

        An administrator of buckets may end the upload of another `sender`. Raises the problem
        `not-found`, `TicketRefused` and `UploadBusy`.
        """
        upload, lease = self._held.hold(principal, identifier, sender=sender)
        with released(lease):
            self.remove(upload)

    def remove(self, upload: Upload) -> None:
        """Remove an upload; the caller has its lease."""
        # The row is removed first: if the bytes stay, the sweeper removes them.
        self._held.rows.remove(upload)
        self._held.partials.discard(upload.id)

    def forget(self, upload: Upload) -> None:
        """Remove an upload that its client does not know yet."""
        # The bytes are removed first: on a full disk the database cannot delete a row before space
        # is free.
        self._held.partials.discard(upload.id)
        with suppress(DatabaseUnavailable):  # otherwise the upload counts until it expires
            self._held.rows.remove(upload)

    @contextmanager
    def unless_refused(self, upload: Upload) -> Iterator[None]:
        """Remove an upload if the block raises: then its client never learns its id."""
        try:
            yield
        except BaseException:
            self.forget(upload)
            raise

    def give_up_after(self, error: Exception, upload: Upload) -> None:
        """Remove an upload after a refusal that every retry would also get.

        The slices of the upload that are still under way get the reason of the refusal.
        """
        if ends_upload(error):
            if upload.options.slicing is not None:
                # The reason is noted first: as soon as the bytes are removed, a slice at another
                # process would begin the upload again.
                reason = error.detail if isinstance(error, ProblemError) else str(error)
                with suppress(StoreError):  # the client must get the refusal of its own request
                    self._parked.note_refusal(upload.id, reason)
            # Another replica may have made a file of the upload. Then its row stays, because the
            # client may ask for it.
            self._held.rows.give_up(upload)
            self._held.partials.discard(upload.id)


def ends_upload(error: Exception) -> bool:
    """Tell whether an upload ends after an error, because a retry would be refused again."""
    if isinstance(error, TooManyIdempotencyKeys):
        return False  # these keys expire; the client need not send the bytes again
    return isinstance(error, (Refused, ValueError)) or is_refusal(error)
