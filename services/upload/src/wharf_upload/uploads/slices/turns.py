"""Turns: one request at a time joins the slices of a file, and no request waits for another.

A request parks its slice and ends if another request has the turn. At the end of a turn, the
request that had it checks again for parked slices, so that no parked slice is forgotten. A request
may get the lease of an upload, but not its partial upload. If another request has failed to get the
lease in this time, the first request releases the lease and tries again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from wharf_upload.storage.base import BlobMissing, StoreBusy
from wharf_upload.storage.partial_uploads import PartialUpload
from wharf_upload.uploads.resumable.held import HeldUploads
from wharf_upload.uploads.resumable.leases import Lease


class Turn(NamedTuple):
    """The partial upload of an upload, for one request alone.

    `begun`: the turn has created the file.
    """

    part: PartialUpload
    lease: Lease
    begun: bool = False


class SliceTurns:
    """Gives a request the partial upload of an upload if no other request has it."""

    def __init__(self, held: HeldUploads) -> None:
        self._held = held

    @contextmanager
    def take(self, upload: str) -> Iterator[Turn | None]:
        """Yield the turn, or `None` while another request has it.

        The turn creates a missing partial upload, even if the upload has no row.
        """
        turn = self._taken(upload)
        try:
            yield turn
        finally:
            if turn is not None:
                turn.part.close()
                turn.lease.release()

    def _taken(self, upload: str) -> Turn | None:
        while True:
            lease = self._held.take_free(upload)
            if lease is None:
                return None
            try:
                turn = self._opened(upload, lease)
            except BaseException:
                lease.release()
                raise
            if turn is not None:
                return turn
            lease.release()
            if not lease.asked:
                return None

    def _opened(self, upload: str, lease: Lease) -> Turn | None:
        """Return the turn; `None` while another process has the file, or has just completed it."""
        partials, alone = self._held.partials, self._held.leases.is_shared
        try:
            try:
                return Turn(partials.open(upload, alone=alone), lease)
            except BlobMissing:
                return Turn(partials.begin(upload), lease, begun=True)
        except StoreBusy:
            return None
