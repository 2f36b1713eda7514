"""The contract of the database for resumable uploads; `contract` has the common rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from wharf_upload.domain.resumable_upload import Upload


class UploadRecords(Protocol):
    """Resumable uploads: their rows until they become files, and for a while after that.

    All changes of an upload but `renew`, `remove` and `give_up` raise `UploadGone` if the upload
    was removed or became a file. All changes that reserve bytes, except `progress`, raise
    `QuotaExceeded` if the quota does not suffice.
    """

    def create(self, upload: Upload) -> None:
        """Add an upload and reserve its bytes and one file; raises `LimitReached`."""

    def get(self, tenant: str, identifier: str) -> Upload | None:
        """Return the upload with this id of the tenant, or `None`."""

    def announce_length(self, upload: Upload, length: int) -> Upload:
        """Set and reserve the length of an upload that was created without a length."""

    def announce_digests(self, upload: Upload, digests: Mapping[str, bytes]) -> Upload:
        """Store the digests that the client has announced for the whole file, by algorithm.

        The digests replace those that were announced before.
        """

    def reserve(self, upload: Upload, size: int) -> Upload:
        """Set the reservation of an upload of unknown length to `size` bytes."""

    def progress(
        self, upload: Upload, *, expires_at: int, discard_from: int | None, size: int
    ) -> None:
        """Record the progress of an upload: set its `expires_at` and its `discard_from`.

        If the upload has no length, also set its reservation to `size` bytes, even above the quota.
        """

    def renew(self, upload: Upload, expires_at: int) -> None:
        """Move the upload's expiry to a later time; an earlier time has no effect."""

    def remove(self, upload: Upload) -> bool:
        """Delete an upload and release its reservation; return whether it existed."""

    def give_up(self, upload: Upload) -> bool:
        """Delete an upload unless it has become a file; return whether it was deleted.

        Another replica may have made a file of the upload. Then the row stays, because the client
        may still ask for the result.
        """

    def under_way(
        self, tenant: str, *, subject: str | None, after: str, limit: int
    ) -> list[Upload]:
        """Return the tenant's unfinished uploads after the id `after`, in order of their ids.

        With a `subject`, return only the uploads of this subject.
        """

    def expired(self, now: int, limit: int, *, replica: str | None = None) -> list[Upload]:
        """Return at most `limit` uploads that have expired.

        With a `replica`, return only the uploads with their received bytes on that replica.
        """

    def finals_of(self, tenant: str, part: str) -> list[Upload]:
        """Return unfinished final uploads that contain a partial upload, a hundred at most."""

    def unfinished(self) -> Iterator[tuple[str, str]]:
        """Yield tenant and id of all unfinished uploads, by id."""

    def known(self, identifier: str) -> bool:
        """Tell whether an unfinished upload has this id, so that its bytes are still needed."""

    def takes_slices(
        self, tenant: str, subject: str, bucket: str, *, ticket: str, least_bytes: int
    ) -> bool:
        """Tell whether the client sends or just sent a file of at least `least_bytes` in slices.

        `ticket` is the id of the upload ticket that authorizes the slices, empty for none.
        """
