"""Removes resumable uploads whose time is over, and parts that belong to none."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from wharf_upload.records.uploads import SqlUploads, Upload
from wharf_upload.stores.parts import Parts

log = logging.getLogger(__name__)
_BATCH = 200
# A part is made a moment before its row, and clocks of machines may differ.
_YOUNG_SECONDS = 300.0


@dataclass
class SweptUploads:
    """What a run removed, or would remove."""

    expired_uploads: int = 0
    rowless_parts: int = 0
    # Parts that could not be looked at or removed.
    failures: int = 0
    names: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """The numbers of what was removed."""
        return {"expired_uploads": self.expired_uploads, "rowless_parts": self.rowless_parts}


def sweep(
    uploads: SqlUploads,
    parts: Parts,
    *,
    expiry_seconds: int,
    dry_run: bool = False,
    clock: Callable[[], float] = time.time,
) -> SweptUploads:
    """One run; `dry_run` only reports (of the expired ones the first few).

    `expiry_seconds` after its last bytes an unfinished upload goes.
    """
    swept, now = SweptUploads(), clock()
    while expired := uploads.expired(int(now * 1000), _BATCH):
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
        for identifier, changed_at in parts.all():
            if changed_at <= now - _YOUNG_SECONDS and not uploads.known(identifier):
                with _counting_failures(swept):
                    if not dry_run:
                        parts.remove(identifier)
                    swept.names.append(f"rowless part {identifier}")
                    swept.rowless_parts += 1
    return swept


@contextmanager
def _counting_failures(swept: SweptUploads) -> Iterator[None]:
    """A part that cannot be looked at or removed must not keep the others."""
    try:
        yield
    except OSError as error:
        log.warning("a part cannot be swept: %s", error)
        swept.failures += 1


def _end(
    uploads: SqlUploads, parts: Parts, upload: Upload, swept: SweptUploads, *, dry_run: bool
) -> None:
    if upload.file is None:
        swept.names.append(f"expired upload {upload.id}")
        swept.expired_uploads += 1
    if not dry_run:
        # The row first: what it reserved is given back, and the part is then rowless.
        uploads.remove(upload)
        parts.remove(upload.id)
