"""The parts of an installation that a backup copies and a restore fills."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from servicekit.database import Statement
from wharf_upload.database.contract import Records, SavedRows
from wharf_upload.database.upload_contract import UploadRecords
from wharf_upload.maintenance.collection_pause import GarbageCollectionPause
from wharf_upload.storage.base import BlobName, BlobStore, Found


class BlobFolder(Protocol):
    """The blobs of a data folder; each blob is a file."""

    def make(self) -> None:
        """Create the folders."""

    def path(self, name: BlobName) -> str:
        """Return the path of the blob's file."""

    def blobs(self) -> Iterator[Found]:
        """Yield all blobs."""


class Corrections(Protocol):
    """Returns statements that a restore runs in the transaction that writes the rows."""

    def __call__(self, place: str, *, deliver_again: bool) -> Sequence[Statement]:
        """Return the statements for a store; see `database.restored_rows`."""


@dataclass(frozen=True)
class Installation:
    """The places of one installation.

    `blobs_in` returns the blobs below a data folder. `saved_rows` opens the rows of a backup.
    `objects` opens the store of the blobs; it is `None` if all blobs are on the disk, in `data`.
    `place` is the name of the store in the records. `is_moving`: some blobs are still in an older
    store. `corrections` returns the statements that correct the rows of a backup.
    """

    data: Path
    database_url: str
    records: Records
    uploads: UploadRecords
    pause: GarbageCollectionPause
    resumable_folder: Path
    blobs_in: Callable[[Path], BlobFolder]
    objects: Callable[[], BlobStore] | None
    place: str
    is_moving: bool
    saved_rows: Callable[[Path], AbstractContextManager[SavedRows]]
    corrections: Corrections

    def blobs(self) -> Iterator[Found]:
        """Yield all blobs of the installation, from the disk or from the object store."""
        if self.objects is None:
            return self.blobs_in(self.data).blobs()
        return self.objects().blobs()
