"""Schema migrations with Alembic: a command runs them before a service starts, never a request.

Concurrent starts are safe: one process migrates under a lock, and the others wait for it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError

from servicekit import file_lock
from servicekit.database.opening import sqlite_path

log = logging.getLogger(__name__)
# An arbitrary number that no other advisory lock in the database uses.
ADVISORY_LOCK = 0x77686172


def upgrade(url: str, scripts: Path) -> None:
    """Migrate the database at `url` to the newest revision in the folder `scripts`.

    A database that a newer release has migrated stays unchanged. The older release can use it, so
    both releases can run at the same time (docs/adr/0032).
    """
    path = sqlite_path(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _one_at_a_time(engine_of(url), path) as connection:
        _upgrade(connection, scripts)


def engine_of(url: str) -> sqlalchemy.Engine:
    """Return SQLAlchemy's engine for a URL; it closes each connection after its use."""
    path = sqlite_path(url)
    if path is None:
        rest = url.split("://", 1)[1]
        return sqlalchemy.create_engine(
            f"postgresql+psycopg://{rest}", poolclass=sqlalchemy.NullPool
        )
    file = sqlalchemy.URL.create("sqlite", database=str(path))
    engine = sqlalchemy.create_engine(file, poolclass=sqlalchemy.NullPool)
    _begin_for_real(engine)
    return engine


def _upgrade(connection: sqlalchemy.Connection, scripts: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        # With this cause Alembic reports that it does not know the revision.
        if not isinstance(error.__cause__, ResolutionError):
            raise
        log.warning("a newer release has migrated the database, it stays unchanged: %s", error)


def _begin_for_real(engine: sqlalchemy.Engine) -> None:
    """Make the engine begin each transaction on SQLite explicitly.

    Python's sqlite3 begins no transaction before a CREATE. After a crash some tables would be
    missing, and no later upgrade could create them.
    """

    @sqlalchemy.event.listens_for(engine, "connect")
    def leave_it_to_us(raw: sqlite3.Connection, _: object) -> None:
        raw.isolation_level = None

    @sqlalchemy.event.listens_for(engine, "begin")
    def begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _one_at_a_time(engine: sqlalchemy.Engine, path: Path | None) -> Iterator[sqlalchemy.Connection]:
    if path is not None:
        with file_lock.held(Path(f"{path}-migration")), engine.begin() as connection:
            yield connection
        return
    with engine.connect() as connection:
        connection.execute(
            sqlalchemy.text("SELECT pg_advisory_lock(:lock)"), {"lock": ADVISORY_LOCK}
        )
        connection.commit()
        try:
            yield connection
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(
                sqlalchemy.text("SELECT pg_advisory_unlock(:lock)"), {"lock": ADVISORY_LOCK}
            )
            connection.commit()


def run_env(version_table: str = "alembic_version") -> None:
    """Run the migrations; the `migrations/env.py` of each service calls this.

    `version_table` stores the revision. Services that share a database need different tables.
    """
    from alembic import context

    context.configure(
        connection=context.config.attributes["connection"],
        version_table=version_table,
        # SQLite supports few forms of ALTER, so Alembic's batch mode copies the table instead.
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()
