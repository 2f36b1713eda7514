"""The sweeper of resumable uploads: removes expired uploads, and partial uploads without a row."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from wharf_upload.database.upload_contract import UploadRecords
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.storage.errors import StoreError
from wharf_upload.storage.parked_slices import upload_of

log = logging.getLogger(__name__)
_BATCH = 200
# A partial upload is created a moment before its row, and the clocks of machines may differ.
_YOUNG_SECONDS = 300.0


class PartialUploads(Protocol):
    """The files of partial uploads, by the upload's id; the methods raise `OSError`."""

    def size(self, upload: str) -> int:
        """Return the number of bytes; raises `BlobMissing`."""

    def changed_at(self, upload: str) -> float:
        """Return when the last bytes were written, in unix seconds; 0 for a missing file."""

    def remove(self, upload: str) -> None:
        """Remove a file; a missing file is no error."""

    def all(self) -> Iterator[tuple[str, float]]:
        """Yield the name of each file and parked slice, and the unix seconds of its last change."""


@dataclass
class SweptUploads:
    """The results of a run; with `dry_run`, what a run would remove."""

    expired_uploads: int = 0
    rowless_parts: int = 0
    # The number of partial uploads that could not be read or removed.
    failures: int = 0
    names: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Return the numbers of removed uploads and files."""
        return {"expired_uploads": self.expired_uploads, "rowless_parts": self.rowless_parts}


def sweep(
    uploads: UploadRecords,
    parts: PartialUploads,
    *,
    expiry_seconds: int,
    replica: str | None = None,
    patience_seconds: float = 0.0,
    dry_run: bool = False,
    clock: Callable[[], float] = time.time,
) -> SweptUploads:
    """Sweep once; with `dry_run` only report, and count only the first batch of expired uploads.

    An incomplete upload expires `expiry_seconds` after its last bytes. Without a shared folder each
    `replica` sweeps the uploads whose bytes are on its disk, because only this replica knows the
    age of the bytes. The worker with the turn sweeps all uploads `patience_seconds` later: by then
    a living replica has extended the expiry of an upload that still receives bytes. `parts` are the
    partial uploads on the disk of this process.
    """
    swept, now = SweptUploads(), clock()
    limit = int((now - patience_seconds) * 1000)
    while expired := uploads.expired(limit, _BATCH, replica=replica):
        for upload in expired:
            with _counting_failures(swept):
                last_until = parts.changed_at(upload.id) + expiry_seconds
                if upload.file is None and last_until > now:
                    # One request may send bytes for longer than the expiry time, and the row of its
                    # upload is updated late.
                    if not dry_run:
                        uploads.renew(upload, int(last_until * 1000))
                else:
                    _end(uploads, parts, upload, swept, dry_run=dry_run)
        if dry_run or swept.failures:
            break  # the next iteration would read the same uploads again
    with _counting_failures(swept):
        oldest = now - _YOUNG_SECONDS
        for identifier, changed_at in parts.all():
            if (
                changed_at <= oldest
                and not uploads.known(upload_of(identifier))
                # A slice may have created the upload again since the file was listed.
                and parts.changed_at(identifier) <= oldest
            ):
                with _counting_failures(swept):
                    if not dry_run:
                        parts.remove(identifier)
                    swept.names.append(f"rowless part {identifier}")
                    swept.rowless_parts += 1
    return swept


@contextmanager
def _counting_failures(swept: SweptUploads) -> Iterator[None]:
    """Count a failure to read or remove a partial upload, and continue."""
    try:
        yield
    except StoreError as error:
        log.warning("cannot sweep a partial upload: %s", error)
        swept.failures += 1


def _end(
    uploads: UploadRecords,
    parts: PartialUploads,
    upload: Upload,
    swept: SweptUploads,
    *,
    dry_run: bool,
) -> None:
    if upload.file is None:
        swept.names.append(f"expired upload {upload.id}")
        swept.expired_uploads += 1
    if not dry_run:
        # The row is removed first: this releases the reservation, and makes the partial upload
        # rowless.
        uploads.remove(upload)
        if upload.options.slicing is None:
            parts.remove(upload.id)
        # A new upload with the same id may exist by now, with a new partial upload. So the sweeper
        # removes the old partial upload of a sliced upload later, as a rowless file.
