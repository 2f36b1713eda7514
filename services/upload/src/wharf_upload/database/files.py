"""The rows of files: reading, listing, changing and expiring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wharf_upload.database import file_changes, file_expiry, file_moves, file_rows, listing
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Move, Place, Stored, Write
from wharf_upload.domain.files import Edit, File, Page

_FILES_A_TIME = 1000


class SqlFiles(Aggregate):
    """Implements `contract.FileRecords`, which describes each method in full."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the file with this key, or `None`; the file may have expired."""
        return file_rows.find(self._database.reading(), tenant, bucket, key)

    def announce(self) -> None:
        """Announce that this thread writes soon."""
        self._group.batcher.announce()

    def withdraw(self) -> None:
        """Withdraw the announcement: this thread has written, or will not."""
        self._group.batcher.arrived()

    def write(self, write: Write) -> Stored:
        """Make files visible, durably."""
        first = write.files[0]
        blobs = [(file.tenant, file.blob) for file in write.files]
        stored: Stored = self._group.run(first.tenant, file_changes.write(write), blobs)
        if write.upload is not None:
            self._group.ended_uploads.note(first.tenant)
        return stored

    def change(self, file: File, edit: Edit, condition: WriteCondition | None) -> File:
        """Apply `edit` to the current state of a file and store the result."""
        changed: File = self._group.run(file.tenant, file_changes.alter(file, edit, condition))
        return changed

    def move(self, wanted: Move, place: Place) -> Stored:
        """Move a file to another address."""
        moved: Stored = self._group.run(wanted.tenant, file_moves.move(wanted, place))
        return moved

    def delete(self, tenant: str, bucket: str, key: str, condition: WriteCondition | None) -> File:
        """Delete a file's row and return the file."""
        old: File = self._group.run(tenant, file_changes.delete(tenant, bucket, key, condition))
        return old

    def list_files(
        self,
        tenant: str,
        bucket: str,
        *,
        prefix: str,
        delimiter: str,
        after: str,
        limit: int,
        within: Sequence[str] = ("",),
    ) -> Page:
        """Return a page of files by key."""
        return listing.page(
            self._database.reading(),
            tenant,
            bucket,
            listing.Asked(prefix, delimiter, after, limit, within),
            now_milliseconds(),
        )

    def expire(self, now: int, limit: int) -> int:
        """Delete at most `limit` expired files; return how many were deleted."""
        rows = self._database.reading().rows(
            "SELECT tenant, bucket, key FROM files "
            "WHERE expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?",
            (now, limit),
        )
        names: dict[str, list[tuple[str, str]]] = {}
        for tenant, bucket, key in rows:
            names.setdefault(tenant, []).append((bucket, key))
        return sum(
            self._group.run(tenant, file_expiry.expire(tenant, some, now))
            for tenant, some in names.items()
        )

    def expire_tenant(self, tenant: str, now: int) -> int:
        """Delete a bounded number of one tenant's expired files; return how many were deleted."""
        count: int = self._group.run(tenant, file_expiry.expire_tenant(tenant, now))
        return count

    def live_files(self) -> Iterator[File]:
        """Yield all files, by tenant, bucket and key."""
        connection = self._database.reading()
        position: tuple[str, ...] = ("",) * 3
        while True:
            rows = connection.rows(
                f"SELECT {file_rows.COLUMNS} FROM files "  # noqa: S608 -- constants only
                "WHERE (tenant, bucket, key) > (?, ?, ?) ORDER BY tenant, bucket, key LIMIT ?",
                (*position, _FILES_A_TIME),
            )
            if not rows:
                return
            for row in rows:
                yield file_rows.to_file(row)
            position = (rows[-1][1], rows[-1][2], rows[-1][3])
