"""Schema migrations with Alembic, run by a command before the services start, never by a request.

Several starts at once are safe: one migrates under a lock, the others wait and find it done.
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
# Any number will do as long as nothing else in the database uses it for an advisory lock.
ADVISORY_LOCK = 0x77686172


def upgrade(url: str, scripts: Path) -> None:
    """Brings the database at `url` to the newest revision in the folder `scripts`.

    One that a newer release has migrated is left as it is: the older one works on it, too, as long
    as both run side by side (docs/adr/0032).
    """
    path = sqlite_path(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _one_at_a_time(engine_of(url), path) as connection:
        _upgrade(connection, scripts)


def engine_of(url: str) -> sqlalchemy.Engine:
    """Return SQLAlchemy's engine for a URL; its connections are closed when they are given back."""
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
        # Alembic has no other way to say that it does not know the revision.
        if not isinstance(error.__cause__, ResolutionError):
            raise
        log.warning("the database is of a newer release, and stays as it is: %s", error)


def _begin_for_real(engine: sqlalchemy.Engine) -> None:
    """Python's sqlite3 begins no transaction before a CREATE: a crash would leave half the tables,
    and no later upgrade could make the rest.
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
    """What a service's `migrations/env.py` calls.

    `version_table` remembers the revision; services that share a database need one each.
    """
    from alembic import context

    context.configure(
        connection=context.config.attributes["connection"],
        version_table=version_table,
        # SQLite has few ALTERs; Alembic's batch mode copies the table instead.
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()
