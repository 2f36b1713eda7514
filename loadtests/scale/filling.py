"""Filling of a migrated database in bulk: by large transactions, or by COPY."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice

import psycopg

from loadtests.scale.rows import Generated
from servicekit.database import Row
from servicekit.database.migrating import upgrade
from servicekit.database.opening import sqlite_path
from tests.servers.upload import MIGRATIONS
from wharf_upload.database import delivery_rows, endpoints, jobs, links, upload_rows
from wharf_upload.database.file_rows import COLUMNS

_BATCH = 500_000
_TABLES: tuple[tuple[str, str, Callable[[Generated], Iterator[Row]]], ...] = (
    ("files", COLUMNS, Generated.files),
    ("usage", "tenant, bytes, files", Generated.usage),
    ("buckets", "tenant, name, policy, created_at", Generated.buckets),
    ("limits", "tenant, max_bytes, max_files, requests_per_minute", Generated.limits),
    ("link_keys", "tenant, secret, created_at", Generated.link_keys),
    ("links", links.COLUMNS, Generated.links),
    ("cors_origins", "bucket, origin, tenant", Generated.cors_origins),
    ("ticket_uses", "tenant, ticket, uses, expires_at", Generated.ticket_uses),
    ("events", "seq, tenant, kind, at, data", Generated.event_rows),
    ("uploads", upload_rows.COLUMNS, Generated.uploads),
    ("jobs", f"{jobs.COLUMNS}, lease_until", Generated.jobs),
    ("jobs_dead", f"{jobs.COLUMNS}, died_at", Generated.dead_jobs),
    ("endpoints", endpoints.COLUMNS, Generated.endpoints),
    ("deliveries", delivery_rows.NAMES, Generated.deliveries),
    ("doomed", "blob, tenant, doomed_at", Generated.doomed),
    (
        "idempotency",
        "tenant, subject, key, fingerprint, stored, created_at",
        Generated.idempotency,
    ),
)


def fill(url: str, generated: Generated) -> None:
    """Create the tables with the service's migrations, and fill them."""
    upgrade(url, MIGRATIONS)
    path = sqlite_path(url)
    if path is None:
        _fill_postgres(url, generated)
    else:
        _fill_sqlite(str(path), generated)


def _fill_sqlite(path: str, generated: Generated) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # No row has to survive a crash. The indexes exist, as in a database that grew.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-3000000"):
            connection.execute(f"PRAGMA {pragma}")
        for table, columns, rows in _TABLES:
            marks = ", ".join("?" for _ in columns.split(","))
            statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
            for batch in _batches(table, rows(generated)):
                connection.execute("BEGIN")
                connection.executemany(statement, batch)
                connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")


def _fill_postgres(url: str, generated: Generated) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for table, columns, rows in _TABLES:
            for batch in _batches(table, rows(generated)):
                with (
                    connection.cursor() as cursor,
                    cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy,
                ):
                    while lines := "".join(map(_line, islice(batch, 2000))):
                        copy.write(lines)
        # The state that autovacuum leaves in a database that has grown for years.
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _line(row: Row) -> str:
    # No generated value has a tab, a backslash or a line end.
    return "\t".join("\\N" if value is None else str(value) for value in row) + "\n"


def _batches(table: str, rows: Iterable[Row]) -> Iterator[Iterator[Row]]:
    """Yield the rows in batches, and print the progress."""
    start, done = time.monotonic(), 0
    remaining = iter(rows)
    for first in remaining:
        count = 0

        def batch(first: Row = first) -> Iterator[Row]:
            nonlocal count
            count = 1
            yield first
            for row in islice(remaining, _BATCH - 1):
                count += 1
                yield row

        yield batch()
        done += count
        seconds = time.monotonic() - start
        print(f"scale: {table}: {done:,} rows, {seconds:.0f} s", file=sys.stderr, flush=True)
