"""Token records in files, for one machine: with mode 0600, named by a digest of their id."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

from servicekit import atomic_file, file_lock
from wharf_console.sessions.records import TokenRecord, decoded, encoded


class FileRecords:
    """Token records, each in a file of `folder`, with locks in files of `folder/locks`.

    Records share a lock if their digests have the same first two digits. Lock files are never
    removed: after a removal, two processes could have the same lock.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._locks = folder, folder / "locks"
        for place in (folder, self._locks):
            place.mkdir(exist_ok=True, mode=0o700)

    def read(self, record_id: str) -> TokenRecord | None:
        """Return the record, or `None` if it does not exist."""
        try:
            return decoded(self._path(record_id).read_bytes())
        except FileNotFoundError:
            return None

    def write(self, record_id: str, record: TokenRecord) -> None:
        """Store the record durably: a power cut must not restore a refresh token that was used."""
        atomic_file.write(self._path(record_id), encoded(record), mode=0o600, durable=True)

    def delete(self, record_id: str) -> None:
        """Delete the record."""
        self._path(record_id).unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, record_id: str) -> Iterator[None]:
        """Hold the lock (`flock`) during the block; the kernel releases it if the process ends."""
        with file_lock.held(self._locks / self._path(record_id).name[:2]):
            yield

    def sweep(self, idle_seconds: float) -> None:
        """Delete the records that were not written within the last `idle_seconds`."""
        oldest = time.time() - idle_seconds
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and path.stat().st_mtime < oldest:
                    path.unlink()

    def _path(self, record_id: str) -> Path:
        return self._folder / hashlib.sha256(record_id.encode()).hexdigest()
