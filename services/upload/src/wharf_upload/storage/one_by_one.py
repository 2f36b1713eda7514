"""Functions for stores that handle one blob at a time; each does a part of the contract."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Protocol

from wharf_upload.storage.base import BlobName, Found, Made
from wharf_upload.storage.errors import StoreError

log = logging.getLogger(__name__)


class Deleting(Protocol):
    """A store that removes one blob at a time."""

    def delete(self, name: BlobName) -> None:
        """Remove a blob; a missing blob is no error."""


def not_deleted(store: Deleting, names: list[BlobName]) -> list[BlobName]:
    """Remove blobs one by one; return those that could not be removed, and log why."""
    left = []
    for name in names:
        try:
            store.delete(name)
        except (StoreError, OSError) as error:
            log.warning("a blob cannot be removed: %s", error)
            left.append(name)
    return left


def within(found: Iterator[Found], made: Made | None) -> Iterator[Found]:
    """Yield the blobs that were created in the time span `made`; `None` means all blobs."""
    if made is None:
        return found
    return (one for one in found if made.since <= one.name.made_at < made.until)
