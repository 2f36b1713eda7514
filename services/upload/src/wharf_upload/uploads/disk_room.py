"""Room on the disk: an upload is refused before its body when the disk has no room for it."""

from __future__ import annotations

from wharf_upload.problems import STORAGE_FULL
from wharf_upload.storage.base import BlobStore


class DiskRoom:
    """Keeps a reserve of the disk free."""

    def __init__(self, store: BlobStore, *, reserve_bytes: int) -> None:
        self._store, self._reserve_bytes = store, reserve_bytes

    def free_bytes(self) -> int:
        """Return how many bytes there are above the reserve."""
        return max(0, self._store.free_bytes() - self._reserve_bytes)

    def require(self, length_bytes: int) -> None:
        """Raise the problem `storage-full` when a body of so many bytes would fill the disk."""
        free = self._store.free_bytes() - self._reserve_bytes
        if length_bytes > free:
            raise STORAGE_FULL(
                f"The body has {length_bytes} bytes; there is room for {max(0, free)}.",
                needed_bytes=length_bytes,
                free_bytes=max(0, free),
            )
