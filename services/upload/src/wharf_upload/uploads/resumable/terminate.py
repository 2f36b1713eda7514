"""The end of an upload that becomes no file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from servicekit.database import DatabaseUnavailable
from servicekit.tokens import Principal
from wharf_upload.domain.refusals import Refused, TooManyIdempotencyKeys
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.uploads.resumable.held import HeldUploads, is_refusal, released


class UploadTerminator:
    """Removes uploads, their rows and their bytes."""

    def __init__(self, held: HeldUploads) -> None:
        self._held = held

    def terminate(self, principal: Principal, identifier: str, sender: str | None) -> None:
        """End an upload on the client's wish; a file that it has become stays.

        Who administers buckets may end the upload of a `sender`. Raises the problem `not-found`,
        `TicketRefused` and `UploadBusy`.
        """
        upload, lease = self._held.hold(principal, identifier, sender=sender)
        with released(lease):
            self.remove(upload)

    def remove(self, upload: Upload) -> None:
        """Remove an upload of which the caller has the lease."""
        # The row first: what is left of the bytes is then the sweeper's.
        self._held.rows.remove(upload)
        self._held.partials.remove(upload.id)

    def forget(self, upload: Upload) -> None:
        """Remove an upload whose client never heard of it."""
        # The bytes first: on a full disk the database has no room to forget anything before.
        self._held.partials.remove(upload.id)
        with suppress(DatabaseUnavailable):  # then it counts until it expires
            self._held.rows.remove(upload)

    @contextmanager
    def unless_refused(self, upload: Upload) -> Iterator[None]:
        """Forget an upload whose client will not hear of it when the block raises."""
        try:
            yield
        except BaseException:
            self.forget(upload)
            raise

    def give_up_after(self, error: Exception, upload: Upload) -> None:
        """Remove an upload after a refusal, which would be the same next time."""
        if ends_upload(error):
            # Another replica may have made a file of it meanwhile: that one's client may ask.
            self._held.rows.give_up(upload)
            self._held.partials.remove(upload.id)


def ends_upload(error: Exception) -> bool:
    """Tell whether an upload is given up after an error: it would be refused again."""
    if isinstance(error, TooManyIdempotencyKeys):
        return False  # keys end by themselves; the bytes need not come again
    return isinstance(error, (Refused, ValueError)) or is_refusal(error)
