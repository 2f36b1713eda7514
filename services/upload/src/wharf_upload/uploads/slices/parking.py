"""Parks a limited number of slices that arrived before earlier slices of their file."""

from __future__ import annotations

from typing import Final

from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.problems import INCONSISTENT_SLICE, UPLOAD_BUSY
from wharf_upload.storage.parked_slices import ParkedSlices
from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.uploads.slices.values import ArrivedSlice

# The limit of parked slices. Each parked slice is a file, but the tenant's quota counts all slices
# of a file as one file. A browser sends six requests at a time, or a hundred with HTTP/2, and
# starts with the first slice.
MOST_AHEAD: Final = 1000
_BLOCK_BYTES: Final = 1 << 20


def park(parked: ParkedSlices, upload: Upload, arrived: ArrivedSlice, next_index: int) -> None:
    """Park a slice until all slices from `next_index` up to it are there.

    Raises `StoreError` and the problems `inconsistent-slice` and `upload-busy`.
    """
    found = arrived.slice
    if found.index - next_index > MOST_AHEAD:
        raise UPLOAD_BUSY(
            f"Slice {next_index} is missing; at most {MOST_AHEAD} later slices may wait for it.",
            headers=(("Retry-After", "1"),),
            retry_after=1,
        )
    there = parked.open(upload, found.index)
    if there is not None:
        with there:
            # A parked slice of another size has lost bytes in a power failure, and is replaced.
            if there.size == found.size:
                require_same(there, 0, arrived)
    parked.park(upload, found.index, arrived.spool, arrived.begin, found.size)


def require_same(there: SpoolFile, begin: int, arrived: ArrivedSlice) -> None:
    """Raise the problem `inconsistent-slice` unless a slice equals `there` from `begin` on."""
    found = arrived.slice
    for offset in range(0, found.size, _BLOCK_BYTES):
        length = min(_BLOCK_BYTES, found.size - offset)
        sent = arrived.spool.read_at(arrived.begin + offset, length)
        if sent != there.read_at(begin + offset, length):
            raise INCONSISTENT_SLICE(
                f"Slice {found.index} has arrived before with other bytes.", field="dzchunkindex"
            )
