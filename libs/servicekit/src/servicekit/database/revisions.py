"""Whether a database has the schema that a service needs."""

from __future__ import annotations

from contextlib import closing

from servicekit.database.base import Connection, DatabaseUnavailable
from servicekit.database.opening import open_database, sqlite_path


def is_at(url: str, version_table: str, needed: str) -> bool:
    """Return whether the database has exactly this revision: then there is nothing to migrate.

    Most starts find it so, and need not load Alembic and SQLAlchemy, which take longer than the
    question. The answer is no as well where the database cannot be asked.
    """
    path = sqlite_path(url)
    if path is not None and not path.exists():
        return False  # opening it would make it
    with closing(open_database(url)) as database:
        try:
            row = database.reading().row(
                f"SELECT version_num FROM {version_table}"  # noqa: S608 -- a constant
            )
        except DatabaseUnavailable:
            return False
    return row == (needed,)


def error(connection: Connection, version_table: str, needed: str, command: str) -> str | None:
    """Return what to do before the service can work, or `None`.

    Revisions are numbers with leading zeros. A greater one is of a newer release that runs beside
    this one; it only adds to what this one needs (docs/adr/0032). `command` migrates.

    Raises:
        DatabaseUnavailable: also where no table is there at all.
    """
    row = connection.row(f"SELECT version_num FROM {version_table}")  # noqa: S608 -- a constant
    found = row[0] if row else "none"
    if row is None or found < needed:
        return f"the schema is {found} and has to be {needed}: run `{command}`"
    return None
