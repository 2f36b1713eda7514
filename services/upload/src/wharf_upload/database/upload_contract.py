"""The contract of the database for resumable uploads; what holds for all is said in `contract`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from wharf_upload.domain.resumable_upload import Upload


class UploadRecords(Protocol):
    """Resumable uploads: what is kept of them until they are files, and a while after.

    Changes raise `UploadGone` for an upload that was removed, and `QuotaExceeded`.
    """

    def create(self, upload: Upload) -> None:
        """Add an upload and reserve its length."""

    def get(self, tenant: str, identifier: str) -> Upload | None:
        """Return the upload of this tenant."""

    def announce_length(self, upload: Upload, length: int) -> Upload:
        """Set and reserve the length of an upload that began without one."""

    def announce_digests(self, upload: Upload, digests: Mapping[str, bytes]) -> Upload:
        """Keep what the whole must hash to, by algorithm; it was not said at the creation."""

    def reserve(self, upload: Upload, size: int) -> Upload:
        """Make `size` bytes what an upload of unknown length reserves."""

    def progress(
        self, upload: Upload, *, expires_at: int, discard_from: int | None, size: int
    ) -> None:
        """Note that bytes came: the upload lives on, and without a length they are reserved."""

    def renew(self, upload: Upload, expires_at: int) -> None:
        """Move the upload's expiry to a later time."""

    def remove(self, upload: Upload) -> bool:
        """Forget an upload and give back what it reserved; return whether it was there."""

    def give_up(self, upload: Upload) -> bool:
        """Remove an upload unless it has become a file; return whether it was there, unfinished.

        Another replica may have made it a file, and its client may still ask for it.
        """

    def under_way(
        self, tenant: str, *, subject: str | None, after: str, limit: int
    ) -> list[Upload]:
        """Return uploads of the tenant that have become no file, by id, those past `after`.

        With a `subject` only that one's.
        """

    def expired(self, now: int, limit: int, *, replica: str | None = None) -> list[Upload]:
        """Return uploads whose time is over.

        With a `replica` only those whose bytes so far are there.
        """

    def finals_of(self, tenant: str, part: str) -> list[Upload]:
        """Return unfinished final uploads that a partial upload is a part of, a hundred at most."""

    def unfinished(self) -> Iterator[tuple[str, str]]:
        """Yield tenant and id of all unfinished uploads, by id."""

    def known(self, identifier: str) -> bool:
        """Tell whether there is an unfinished upload of this id, whose bytes are still needed."""

    def takes_slices(
        self, tenant: str, subject: str, bucket: str, *, ticket: str, least_bytes: int
    ) -> bool:
        """Tell whether a file comes, or has just come, in slices, and has `least_bytes`.

        `ticket` is the id of the upload ticket that the slices come with, empty for none.
        """
