"""The check whether a database has the schema that a service needs."""

from __future__ import annotations

from contextlib import closing

from servicekit.database.base import Connection, DatabaseUnavailable
from servicekit.database.opening import open_database, sqlite_path


def is_at(url: str, version_table: str, needed: str) -> bool:
    """Tell whether the database has exactly this revision, so that no migration is needed.

    A start seldom needs a migration. Without a migration the service need not import Alembic and
    SQLAlchemy, which takes longer than this check. Return false if the database is unavailable.
    """
    path = sqlite_path(url)
    if path is not None and not path.exists():
        return False  # opening the database would create the file
    with closing(open_database(url)) as database:
        try:
            row = database.reading().row(
                f"SELECT version_num FROM {version_table}"  # noqa: S608 -- a constant
            )
        except DatabaseUnavailable:
            return False
    return row == (needed,)


def error(connection: Connection, version_table: str, needed: str, command: str) -> str | None:
    """Return a message if the schema is too old for the service, or `None`.

    Revisions are numbers with leading zeros. A greater revision is from a newer release, which may
    run at the same time; it only adds to the schema of this release (docs/adr/0032). `command` is
    the command that migrates; the message names it.

    Raises:
        DatabaseUnavailable: the database is unavailable, or the table does not exist.
    """
    row = connection.row(f"SELECT version_num FROM {version_table}")  # noqa: S608 -- a constant
    found = row[0] if row else "none"
    if row is None or found < needed:
        return f"the schema is {found} and has to be {needed}: run `{command}`"
    return None
