"""What is under way: the uploads of a tenant, or of one caller, that have become no file yet."""

from __future__ import annotations

from typing import NamedTuple

from servicekit.tokens import Principal
from wharf_upload.access import reach
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.storage.base import BlobMissing
from wharf_upload.uploads.resumable.held import HeldUploads


class UnderWay(NamedTuple):
    """An unfinished upload: `offset` bytes are there; unix milliseconds of its end.

    Of one at another replica without a shared folder the offset is `None`.
    """

    upload: Upload
    offset: int | None
    expires_at: int


class UploadsPage(NamedTuple):
    """A page of them; `next_after` is where the next one starts, `None` at the end."""

    uploads: tuple[UnderWay, ...]
    next_after: str | None


class UploadsUnderWay:
    """Lists unfinished uploads without a lease: a request that brings bytes goes on meanwhile."""

    def __init__(self, held: HeldUploads) -> None:
        self._held = held

    def page(
        self, principal: Principal, *, subject: str | None, after: str, limit: int
    ) -> UploadsPage:
        """Return a page by id, so oldest first; with a `subject` only the uploads of that one.

        What the caller's grants do not reach, what has expired, and what ends at this moment, is
        left out: a page may be short.
        """
        rows = self._held.rows.under_way(
            principal.tenant, subject=subject, after=after, limit=limit + 1
        )
        page = rows[:limit]
        reached = (upload for upload in page if reach.reaches_upload(principal, upload))
        found = tuple(one for upload in reached if (one := self._seen(upload)) is not None)
        return UploadsPage(found, page[-1].id if len(rows) > limit else None)

    def _seen(self, upload: Upload) -> UnderWay | None:
        if self._held.is_elsewhere(upload):
            over = upload.expires_at <= self._held.now()
            return None if over else UnderWay(upload, None, upload.expires_at)
        expires_at = self._held.ends_at(upload)
        if expires_at <= self._held.now():
            return None
        try:
            size = self._held.partials.size(upload.id)
        except BlobMissing:
            return None
        verified = size if upload.discard_from is None else min(size, upload.discard_from)
        return UnderWay(upload, verified, expires_at)
