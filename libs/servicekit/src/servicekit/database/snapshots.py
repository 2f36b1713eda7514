"""A service's whole database as one SQLite file, and such a file as a database again.

Backups are made of it, and so is the way from one engine to the other: the file is the same
whichever engine the rows come from or go to. Only command lines import this: it needs Alembic.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory

from servicekit import atomic_file
from servicekit.database import snapshot_postgres
from servicekit.database.migrating import upgrade
from servicekit.database.opening import sqlite_path
from servicekit.database.snapshot_tables import (
    SnapshotError,
    Tables,
    reading,
    refuse_rows,
    table_names,
)


@dataclass(frozen=True)
class Schema:
    """A service's schema: the folder of its migrations, and the table that has the revision."""

    scripts: Path
    version_table: str

    def head(self) -> str:
        """The revision that this version of the service works with."""
        return str(self._directory().get_current_head())

    def knows(self, revision: str) -> bool:
        """Whether a migration leads on from there."""
        return revision in self.revisions()

    def revisions(self) -> list[str]:
        """All revisions, the newest one first."""
        return [one.revision for one in self._directory().walk_revisions()]

    def _directory(self) -> ScriptDirectory:
        config = Config()
        config.set_main_option("script_location", str(self.scripts).replace("%", "%%"))
        return ScriptDirectory.from_config(config)


def save(url: str, schema: Schema, file: Path) -> None:
    """Writes all rows of the database at `url`, as they are at one moment, to a new file.

    Others go on reading and writing meanwhile. The file appears when it is whole and durable.

    Raises:
        SnapshotError: the database cannot be read, or was migrated by another version.
    """
    path = sqlite_path(url)
    try:
        with atomic_file.replacing(file, mode=0o600, durable=True) as empty:
            new = Path(empty.name)
            found = _vacuum(path, schema, new) if path else _from_postgres(url, schema, new)
            if found != schema.head():
                raise SnapshotError(
                    f"the database has the schema {found or 'of nobody'} and this version needs "
                    f"{schema.head()}; migrate first, or use the version that runs"
                )
    except (sqlite3.Error, psycopg.Error) as error:
        raise SnapshotError(f"the database cannot be saved: {_line(error)}") from None


def load(file: Path, schema: Schema, url: str) -> None:
    """Fills the database at `url`, which is made if need be, with the rows of the file.

    All of them or none: it is one transaction. A file of an older version is migrated on the way.

    Raises:
        SnapshotError: the database holds rows, or the file is damaged, or of a newer version.
    """
    with tempfile.TemporaryDirectory(prefix="wharf-restore-") as folder:
        try:
            source = _current(file, schema, Path(folder))
            upgrade(url, schema.scripts)
            tables = Tables(source, schema.version_table, _seeded(schema, Path(folder)))
            path = sqlite_path(url)
            if path is not None:
                _into_sqlite(source, tables, path)
            else:
                snapshot_postgres.load(source, tables, url)
        except (sqlite3.Error, psycopg.Error) as error:
            raise SnapshotError(f"the database cannot be restored: {_line(error)}") from None


def _vacuum(path: Path, schema: Schema, new: Path) -> str | None:
    """`VACUUM INTO` reads in one transaction, beside readers and writers."""
    if not path.exists():
        raise SnapshotError(f"there is no database {path}")
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as database:
        database.execute("VACUUM INTO ?", (str(new),))
    return _revision(new, schema)


def _from_postgres(url: str, schema: Schema, new: Path) -> str | None:
    with _migrated(new, schema) as target:
        tables = Tables(new, schema.version_table, frozenset())
        try:
            return snapshot_postgres.save(
                url, tables, target, version_table=schema.version_table, head=schema.head()
            )
        except psycopg.errors.UndefinedTable:
            return None


@contextmanager
def _migrated(file: Path, schema: Schema) -> Iterator[sqlite3.Connection]:
    """A new SQLite file with the tables."""
    upgrade(f"sqlite:///{file}", schema.scripts)
    Path(f"{file}-migration").unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as database:
        # The file is synced once, when it is whole.
        database.execute("PRAGMA synchronous=OFF")
        yield database


def _current(file: Path, schema: Schema, folder: Path) -> Path:
    """The file, or where it is of an older version a copy with today's tables."""
    if not file.is_file():
        raise SnapshotError(f"there is no {file}")
    found = _revision(file, schema)
    if found == schema.head():
        return file
    if found is None or not schema.knows(found):
        raise SnapshotError(
            f"{file} has the schema {found or 'of nobody'}, which this version does not know; "
            "restore with the version that made it, or a newer one"
        )
    copy = folder / "older.db"
    shutil.copyfile(file, copy)
    with _migrated(copy, schema):
        return copy


def _revision(file: Path, schema: Schema) -> str | None:
    with closing(reading(file)) as database:
        try:
            row = database.execute(
                f'SELECT version_num FROM "{schema.version_table}"'  # noqa: S608 -- a constant
            ).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


def _seeded(schema: Schema, folder: Path) -> frozenset[str]:
    """Tables that are not empty in a new database."""
    with _migrated(folder / "new.db", schema) as database:
        return frozenset(
            name
            for name in table_names(database, schema.version_table)
            if database.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone()  # noqa: S608
        )


def _into_sqlite(source: Path, tables: Tables, path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous=FULL")
        database.execute("ATTACH ? AS saved", (str(source),))
        database.execute("BEGIN IMMEDIATE")
        for table in tables.columns:
            seeded = table in tables.seeded
            found = database.execute(f'SELECT 1 FROM main."{table}" LIMIT 1')  # noqa: S608
            refuse_rows(table, found.fetchone(), seeded=seeded)
        for table, columns in tables.columns.items():
            names = ", ".join(f'"{name}"' for name in columns)
            if table in tables.seeded:
                database.execute(f'DELETE FROM main."{table}"')  # noqa: S608 -- names of the schema
            database.execute(
                f'INSERT INTO main."{table}" ({names}) SELECT {names} FROM saved."{table}"'  # noqa: S608
            )
        database.execute("COMMIT")


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
