"""Snapshots: a service's whole database as one SQLite file, and its restore into a database.

Backups use snapshots. The file has the same format for SQLite and PostgreSQL, so a snapshot also
moves data from one engine to the other. Only commands import this module, since it needs Alembic.
"""

from __future__ import annotations

import functools
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.exc import SQLAlchemyError

from servicekit import atomic_file
from servicekit.database.backup_manifest import BackupError
from servicekit.database.base import Statement
from servicekit.database.migrating import ADVISORY_LOCK, engine_of, upgrade
from servicekit.database.opening import sqlite_path
from servicekit.database.postgres import placeholders

_ROWS_AT_ONCE = 2000
# The second of two concurrent restores waits for this lock, and then finds the database not empty.
_RESTORE_LOCK = 0x72657374


@dataclass(frozen=True)
class Schema:
    """The schema of a service: the folder of its migrations, and the table with the revision.

    `seeded` are the tables that the migrations fill.
    """

    scripts: Path
    version_table: str
    seeded: frozenset[str] = frozenset()

    def head(self) -> str:
        """Return the revision that this version of the service needs."""
        return str(_directory(self.scripts).get_current_head())

    def revisions(self) -> list[str]:
        """Return all revisions, the newest first."""
        return [one.revision for one in _directory(self.scripts).walk_revisions()]


@functools.cache
def _directory(scripts: Path) -> ScriptDirectory:
    # The result is cached, since Alembic compiles every migration.
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


def save(url: str, schema: Schema, file: Path) -> None:
    """Write all rows of the database at `url` to a new file, in a consistent state.

    Other processes can read and write during the copy. The file appears when it is complete and
    durable.

    Raises:
        BackupError: the database cannot be read, or was migrated by another version.
    """
    path = sqlite_path(url)
    with _in_one_line("saved"), atomic_file.replacing(file, mode=0o600, durable=True) as empty:
        new = Path(empty.name)
        if path is None:
            try:
                _transfer(engine_of(url), schema, _url(new))
            finally:
                Path(f"{new}-migration").unlink(missing_ok=True)
        else:
            _vacuum(path, new)
            with reading(new).connect() as saved:
                _require_head(saved, schema)


def load(file: Path, schema: Schema, url: str, corrections: Sequence[Statement] = ()) -> None:
    """Fill the database at `url` with the rows of the file; create the database if needed.

    One transaction writes all rows and runs the statements `corrections`. A file of an older
    version is migrated first.

    Raises:
        BackupError: the database has rows, or the file is damaged or from a newer version.
    """
    with _in_one_line("restored"), tempfile.TemporaryDirectory(prefix="wharf-restore-") as folder:
        with reading(file).connect() as saved:
            if _revision(saved, schema) in schema.revisions()[1:]:
                file = shutil.copyfile(file, Path(folder) / "older.db")
                upgrade(_url(file), schema.scripts)
            else:
                _require_head(saved, schema)
        _transfer(reading(file), schema, url, corrections)


def require_loadable(file: Path, schema: Schema, url: str) -> None:
    """Check whether `load` would accept the file; change nothing.

    Raises:
        BackupError: the database has rows, or the file is damaged or from a newer version.
    """
    path = sqlite_path(url)
    with _in_one_line("restored"), reading(file).connect() as saved:
        if _revision(saved, schema) not in schema.revisions():
            _require_head(saved, schema)
        if path is not None and not path.exists():
            return
        with engine_of(url).connect() as target:
            there = sa.inspect(target)
            for table in tables_of(saved, schema):
                if there.has_table(table.name):
                    _require_empty(target, table, schema)


def tables_of(file: sa.Connection, schema: Schema) -> list[sa.Table]:
    """Return the tables of a snapshot; a table comes after the tables that its rows refer to."""
    found = sa.MetaData()
    found.reflect(file, only=lambda name, _: name != schema.version_table)
    return found.sorted_tables


def reading(file: Path) -> sa.Engine:
    """Return an engine that reads a snapshot; its folder may be read-only."""
    uri = f"file:{quote(str(file))}?mode=ro"
    return sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=sa.NullPool
    )


def _url(path: Path) -> str:
    return f"sqlite:///{quote(str(path))}"


def _vacuum(path: Path, new: Path) -> None:
    """Copy an SQLite database in one transaction; other processes can read and write."""
    if not path.exists():
        raise BackupError(f"there is no database {path}")
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as database:
        database.execute("VACUUM INTO ?", (str(new),))


def _transfer(
    engine: sa.Engine, schema: Schema, url: str, corrections: Sequence[Statement] = ()
) -> None:
    """Copy all rows into the database at `url`, and correct them, in one transaction.

    The source or the target is SQLite.
    """
    upgrade(url, schema.scripts)
    with engine.connect() as source, engine_of(url).begin() as target:
        if source.dialect.name == "postgresql":
            # With this lock a migration waits until the copy ends, before it locks any table. A
            # migration that waits for a lock on a table blocks all other users of the table.
            source.execute(sa.select(sa.func.pg_advisory_lock_shared(ADVISORY_LOCK)))
            source.commit()
            # All tables are read as they are at the time of the first statement.
            source.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        if target.dialect.name == "postgresql":
            target.execute(sa.select(sa.func.pg_advisory_xact_lock(_RESTORE_LOCK)))
        _require_head(source, schema)
        tables = tables_of(source if source.dialect.name == "sqlite" else target, schema)
        for table in tables:
            _require_empty(target, table, schema)
        for table in tables:
            _copy(source, target, table, schema)
        for statement, parameters in corrections:
            _run(target, statement, parameters)
        if target.dialect.name == "postgresql":
            # Without statistics the planner would assume empty tables.
            target.exec_driver_sql("ANALYZE")


def _copy(source: sa.Connection, target: sa.Connection, table: sa.Table, schema: Schema) -> None:
    """Copy all rows of one table; first delete the rows that a migration has inserted."""
    if table.name in schema.seeded:
        target.execute(sa.delete(table))
    rows = source.execute(sa.select(table), execution_options={"yield_per": _ROWS_AT_ONCE})
    if target.dialect.name == "postgresql":
        _copy_in(target, table, rows)
        _advance_sequences(target, table)
    else:
        insert = str(sa.insert(table).compile(dialect=target.dialect))
        for part in rows.partitions():
            target.exec_driver_sql(insert, [tuple(row) for row in part])


def _run(target: sa.Connection, statement: str, parameters: tuple[object, ...]) -> None:
    is_postgres = target.dialect.name == "postgresql"
    target.exec_driver_sql(placeholders(statement) if is_postgres else statement, parameters)


def _copy_in(target: sa.Connection, table: sa.Table, rows: sa.CursorResult[Any]) -> None:
    connection: Any = target.connection.driver_connection
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns.keys()))
    copy_in = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
    with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
        for row in rows:
            copy.write_row(row)


def _advance_sequences(target: sa.Connection, table: sa.Table) -> None:
    """Set the table's sequences above the numbers in the copied rows."""
    for column in table.primary_key:
        found = sa.select(sa.func.pg_get_serial_sequence(table.name, column.name))
        if sequence := target.scalar(found):
            after = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
            target.execute(sa.select(sa.func.setval(sa.cast(sequence, REGCLASS), after, False)))


def _revision(connection: sa.Connection, schema: Schema) -> str | None:
    if not sa.inspect(connection).has_table(schema.version_table):
        return None
    number = sa.column("version_num", sa.String())
    return connection.scalar(sa.select(number).select_from(sa.table(schema.version_table)))


def _require_head(connection: sa.Connection, schema: Schema) -> None:
    found = _revision(connection, schema)
    if found != schema.head():
        raise BackupError(
            f"the rows have the schema {found or '(none)'} and this version needs "
            f"{schema.head()}; migrate first, or use the version that runs: an older version does "
            "not know a newer schema"
        )


def _require_empty(target: sa.Connection, table: sa.Table, schema: Schema) -> None:
    """Raise `BackupError` if the table has rows already, so that a restore cannot mix data."""
    any_row = sa.select(sa.literal(1)).select_from(table).limit(1)
    if table.name not in schema.seeded and target.execute(any_row).first():
        raise BackupError(
            f"the database is in use: its table {table.name} has rows; restore needs an empty "
            "database (another WHARF_DATA or WHARF_DATABASE_URL)"
        )


@contextmanager
def _in_one_line(done: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, psycopg.Error, SQLAlchemyError) as error:
        line = str(error).strip().split("\n", 1)[0]
        raise BackupError(f"the database cannot be {done}: {line}") from None
