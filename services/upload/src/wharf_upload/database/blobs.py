"""Queries of the blobs that rows name, and of the blobs that wait for deletion."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from wharf_upload.database.aggregate import Aggregate
from wharf_upload.domain.files import BlobContent, PendingDeletion

_BLOBS_A_TIME = 100
_SOME = f"blob IN ({', '.join('?' * _BLOBS_A_TIME)})"
_KNOWN_BLOBS = tuple(
    f"SELECT tenant, blob FROM {table} WHERE {_SOME}"  # noqa: S608 -- constants only
    for table in ("files", "doomed")
)
_LIVE_BLOBS = f"SELECT tenant, blob, size, sha256 FROM files WHERE {_SOME}"  # noqa: S608 -- constants only


class SqlBlobs(Aggregate):
    """Implements `contract.BlobRecords`."""

    def known_blobs(self, names: list[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of the given (tenant, blob) pairs that a row names."""
        connection, known = self._database.reading(), set[tuple[str, str]]()
        for blobs in _in_hundreds(names):
            # Read `files` first: a concurrent deletion moves a blob from `files` to `doomed`, so in
            # this order at least one of the two queries finds it.
            for statement in _KNOWN_BLOBS:
                known.update((row[0], row[1]) for row in connection.rows(statement, blobs))
        return known.intersection(names)

    def live_blobs(self, names: list[tuple[str, str]]) -> dict[tuple[str, str], BlobContent]:
        """Return size and digest of those of the given (tenant, blob) pairs that a file names."""
        connection, wanted = self._database.reading(), set(names)
        rows = chain.from_iterable(
            connection.rows(_LIVE_BLOBS, blobs) for blobs in _in_hundreds(names)
        )
        return {
            (tenant, blob): BlobContent(size, sha256)
            for tenant, blob, size, sha256 in rows
            if (tenant, blob) in wanted
        }

    def pending_deletion(self, before: int, limit: int) -> list[PendingDeletion]:
        """Return at most `limit` blobs of files that were deleted or replaced before a time."""
        rows = self._database.reading().rows(
            "SELECT tenant, blob, doomed_at FROM doomed WHERE doomed_at < ? "
            "ORDER BY doomed_at LIMIT ?",
            (before, limit),
        )
        return [PendingDeletion(tenant=row[0], blob=row[1], deleted_at=row[2]) for row in rows]

    def forget_pending_deletions(self, blobs: list[str]) -> None:
        """Delete the rows of blobs after their bytes were removed."""
        with self._database.transaction() as connection:
            connection.execute_many(
                "DELETE FROM doomed WHERE blob = ?", [(blob,) for blob in blobs]
            )


def _in_hundreds(names: list[tuple[str, str]]) -> Iterator[list[str]]:
    """Yield lists of exactly `_BLOBS_A_TIME` blob names; one prepared statement serves them all.

    The last name fills up the last list.
    """
    for start in range(0, len(names), _BLOBS_A_TIME):
        # Sorted, so that neighbouring names are neighbours in the index.
        blobs = sorted(blob for _, blob in names[start : start + _BLOBS_A_TIME])
        yield blobs + blobs[-1:] * (_BLOBS_A_TIME - len(blobs))
