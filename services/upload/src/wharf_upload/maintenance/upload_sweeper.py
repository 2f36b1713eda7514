"""Removes resumable uploads whose time is over, and parts that belong to none."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from wharf_upload.database.upload_contract import UploadRecords
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.storage.parked_slices import upload_of

log = logging.getLogger(__name__)
_BATCH = 200
# A part is made a moment before its row, and clocks of machines may differ.
_YOUNG_SECONDS = 300.0


class PartialUploads(Protocol):
    """The bytes of uploads that have not ended, by the upload's id; raises `StoreError`."""

    def size(self, upload: str) -> int:
        """Return the bytes that are there; raises `BlobMissing`."""

    def changed_at(self, upload: str) -> float:
        """Return when the last bytes came, in unix seconds; 0 for none."""

    def remove(self, upload: str) -> None:
        """Remove the bytes; it is no error if there are none."""

    def all(self) -> Iterator[tuple[str, float]]:
        """Yield all ids, each with the unix seconds of the last change."""


@dataclass
class SweptUploads:
    """What a run removed, or would remove."""

    expired_uploads: int = 0
    rowless_parts: int = 0
    # Parts that could not be looked at or removed.
    failures: int = 0
    names: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Return the numbers of what was removed."""
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
    """Make one run; `dry_run` only reports (of the expired uploads the first few).

    `expiry_seconds` after its last bytes an unfinished upload goes. Without a shared folder each
    `replica` looks after the uploads whose bytes it has, and knows how old these are; one of the
    workers looks after all, and waits for `patience_seconds` more, in which a living replica has
    moved the end of an upload that still gets bytes. `parts` are those of this process.
    """
    swept, now = SweptUploads(), clock()
    limit = int((now - patience_seconds) * 1000)
    while expired := uploads.expired(limit, _BATCH, replica=replica):
        for upload in expired:
            with _counting_failures(swept):
                last_until = parts.changed_at(upload.id) + expiry_seconds
                if upload.file is None and last_until > now:
                    # One request may bring bytes for longer than that; the row learns it late.
                    if not dry_run:
                        uploads.renew(upload, int(last_until * 1000))
                else:
                    _end(uploads, parts, upload, swept, dry_run=dry_run)
        if dry_run or swept.failures:
            break  # the same ones would come again
    with _counting_failures(swept):
        oldest = now - _YOUNG_SECONDS
        for identifier, changed_at in parts.all():
            if (
                changed_at <= oldest
                and not uploads.known(upload_of(identifier))
                # A slice may have begun it anew since it was listed.
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
    """Count a part that cannot be looked at or removed, and go on."""
    try:
        yield
    except OSError as error:
        log.warning("a part cannot be swept: %s", error)
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
        # The row first: what it reserved is given back, and the part is then rowless.
        uploads.remove(upload)
        if upload.options.slicing is None:
            parts.remove(upload.id)
        # Else a slice may have begun an upload of the same id by now, with a part of its own: an
        # old one goes with the rowless parts.
