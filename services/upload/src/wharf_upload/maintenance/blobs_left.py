"""The blobs that a move to another store has not removed from the old place yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wharf_upload.database.contract import BlobRecords
from wharf_upload.storage.base import BlobName, BlobStore, Found

_BATCH_FILES, _BATCH_BYTES = 200, 1 << 30


@dataclass
class Left:
    """The counts of blobs in the old place.

    `files` and `bytes` count the blobs that files name, `rowless` counts all other blobs.
    """

    files: int = 0
    bytes: int = 0
    rowless: int = 0

    def __str__(self) -> str:
        """Return the counts as one line."""
        rowless = f", and {self.rowless} blobs without a file" if self.rowless else ""
        return f"{self.files} files, {self.bytes} bytes{rowless}"


def left(old: BlobStore, records: BlobRecords) -> Left:
    """Count the blobs in the old place."""
    counts = Left()
    for batch in batches(old.blobs()):
        live = records.live_blobs([(name.tenant, name.blob) for name in batch])
        counts.files += len(live)
        counts.bytes += sum(content.size for content in live.values())
        counts.rowless += len(batch) - len(live)
    return counts


def batches(found: Iterator[Found]) -> Iterator[list[BlobName]]:
    """Yield the blobs in batches of at most 200; a batch also ends when it has 1 GiB."""
    batch, size = list[BlobName](), 0
    for one in found:
        batch.append(one.name)
        size += one.size
        if len(batch) == _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def advice(left: Left, *, faults: int) -> str:
    """Return what the operator should do after a run that has left these blobs in the old place."""
    if faults:
        return (
            f"{faults} files could not be moved: keep WHARF_BLOB_OLD_URL, restore or delete them "
            "(`wharf-upload check --read-all` names them), and run move-blobs again"
        )
    if left.files:
        return (
            f"{left.files} new files are in the old place: a process has other settings; "
            "restart it, and run move-blobs again"
        )
    if left.rowless:
        return (
            f"{left.rowless} blobs without a file are left. The worker removes them: those of "
            "deleted files soon, others after WHARF_LEASE_SECONDS. Wait until move-blobs --dry-run "
            "finds none, then remove WHARF_BLOB_OLD_URL and restart"
        )
    return "nothing is left in the old place: remove WHARF_BLOB_OLD_URL and restart"
