"""What lies in a store, for who moves blobs to another one: in batches, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wharf_upload.database.contract import BlobRecords
from wharf_upload.storage.base import BlobName, BlobStore, Found

_BATCH_FILES, _BATCH_BYTES = 200, 1 << 30


@dataclass
class Left:
    """What lies in the old place: blobs that live files name, and others."""

    files: int = 0
    bytes: int = 0
    rowless: int = 0


def left(old: BlobStore, records: BlobRecords) -> Left:
    """Count what lies in the old place."""
    counts = Left()
    for batch in batches(old.blobs()):
        live = records.live_blobs([(name.tenant, name.blob) for name in batch])
        counts.files += len(live)
        counts.bytes += sum(content.size for content in live.values())
        counts.rowless += len(batch) - len(live)
    return counts


def batches(found: Iterator[Found]) -> Iterator[list[BlobName]]:
    """Yield the blobs, so many at a time as are copied in about a minute."""
    batch, size = list[BlobName](), 0
    for one in found:
        batch.append(one.name)
        size += one.size
        if len(batch) == _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
