"""Rows of many files for one tenant, which SQL statements create in SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from wharf_upload.database.file_rows import COLUMNS

#: The number of files in one folder of the bucket.
FOLDER_FILES = 100_000
_BATCH = 500_000
_FILE_BYTES = 10_240
# In the order of `COLUMNS`. `?1` is a parameter, and `n` the number of a row.
_FILES = f"""
WITH RECURSIVE numbers(n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?2)
INSERT INTO files ({COLUMNS})
SELECT lower(hex(randomblob(16))), ?3, 'default',
       printf('folder-%03d/picture-%08d.jpg', n / {FOLDER_FILES}, n),
       lower(hex(randomblob(16))), {_FILE_BYTES}, lower(hex(randomblob(32))),
       'image/jpeg', 'image/jpeg', printf('picture-%08d.jpg', n), 'client-1', 'available', '{{}}',
       1750000000000 + n, NULL, 0
FROM numbers
"""
_USAGE = """
INSERT INTO usage (tenant, bytes, files) VALUES (?1, ?2, ?3)
ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes, files = files + excluded.files
"""


def fill(database: Path, tenant: str, files: int) -> None:
    """Add files to a tenant's default bucket. No service may use the database at this time."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        # Write without durability: after a crash the database is created again.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
            connection.execute(f"PRAGMA {pragma}")
        for first in range(0, files, _BATCH):
            connection.execute("BEGIN")
            connection.execute(_FILES, (first, min(first + _BATCH, files), tenant))
            connection.execute("COMMIT")
        connection.execute(_USAGE, (tenant, files * _FILE_BYTES, files))
        connection.execute("PRAGMA journal_mode=WAL")
