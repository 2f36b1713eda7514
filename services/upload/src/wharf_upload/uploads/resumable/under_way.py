"""The uploads under way of a tenant, or of one caller: those that are not a file yet."""

from __future__ import annotations

from typing import NamedTuple

from servicekit.tokens import Principal
from wharf_upload.access import reach
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.storage.base import BlobMissing
from wharf_upload.uploads.resumable.held import HeldUploads


class UnderWay(NamedTuple):
    """An incomplete upload with its offset in bytes and its expiry in unix milliseconds.

    The offset is `None` if the upload is at another replica and there is no common folder.
    """

    upload: Upload
    offset: int | None
    expires_at: int


class UploadsPage(NamedTuple):
    """A page of uploads; `next_after` is the start of the next page, `None` on the last one."""

    uploads: tuple[UnderWay, ...]
    next_after: str | None


class UploadsUnderWay:
    """Lists incomplete uploads without a lease, so requests that send bytes are not disturbed."""

    def __init__(self, held: HeldUploads) -> None:
        self._held = held

    def page(
        self, principal: Principal, *, subject: str | None, after: str, limit: int
    ) -> UploadsPage:
        """Return a page sorted by id, which means oldest first; `subject` limits it to one sender.

        A page leaves out uploads outside the caller's reach, expired uploads, and uploads that end
        while the page is read. So the page may be short.
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
