"""Reads the rows of a backup: an SQLite file of this version or an older one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec

from wharf_upload.database.contract import SavedBlob
from wharf_upload.domain.webhooks import Secret


class SqliteSavedRows:
    """Implements `contract.SavedRows`, which describes each method in full."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._run = database.execute

    def total_bytes(self) -> int:
        """Return the total size of all files in bytes."""
        return int(self._run("SELECT coalesce(sum(size), 0) FROM files").fetchone()[0])

    def blobs(self) -> Iterator[SavedBlob]:
        """Yield the blob of each file."""
        return map(SavedBlob._make, self._run("SELECT tenant, blob, size, sha256 FROM files"))

    def has_blob(self, tenant: str, blob: str) -> bool:
        """Tell whether a file has this blob."""
        found = self._run("SELECT 1 FROM files WHERE blob = ? AND tenant = ?", (blob, tenant))
        return found.fetchone() is not None

    def unfinished(self) -> Iterator[tuple[str, str]]:
        """Yield tenant and id of all unfinished uploads."""
        return self._run("SELECT tenant, id FROM uploads WHERE file IS NULL")

    def sealing_keys(self) -> list[str]:
        """Return the ids of the keys that seal the secrets of the rows, in order."""
        known = "SELECT 1 FROM sqlite_master WHERE name = 'endpoints'"
        if self._run(known).fetchone() is None:
            return []
        found = {
            secret.sealed.partition(".")[0]
            for (secrets,) in self._run("SELECT secrets FROM endpoints")
            for secret in msgspec.json.decode(secrets, type=tuple[Secret, ...])
        }
        return sorted(found)


@contextmanager
def open_saved_rows(file: Path) -> Iterator[SqliteSavedRows]:
    """Open the file of a backup read-only; its folder may be read-only, too."""
    with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as database:
        yield SqliteSavedRows(database)
