"""The choice of the database by its URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from servicekit.database.base import MOST_CONNECTIONS, PAGE_BYTES, Database
from servicekit.settings import SettingsError


def sqlite_path(url: str) -> Path | None:
    """Return the path of the file for a `sqlite:///…` URL, or `None` for other schemes."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        return None
    # As in SQLAlchemy: sqlite:///relative and sqlite:////absolute.
    return Path(unquote(parts.path[1:])).absolute()


def open_database(
    url: str,
    *,
    durable: bool = True,
    page_bytes: int = PAGE_BYTES,
    most_connections: int = MOST_CONNECTIONS,
) -> Database:
    """Open the database for `sqlite:///path` or `postgresql://…`; raise `SettingsError` for others.

    `page_bytes` is the size of SQLite's pages: small pages are cheaper for few small rows.
    `most_connections` is the most connections of a process to PostgreSQL. The function imports a
    driver only when it is needed: psycopg costs 20 MB of memory.
    """
    path = sqlite_path(url)
    if path is not None:
        from servicekit.database.sqlite import SqliteDatabase

        return SqliteDatabase(path, durable=durable, page_bytes=page_bytes)
    if urlsplit(url).scheme in ("postgresql", "postgres"):
        from servicekit.database.postgres import PostgresDatabase

        return PostgresDatabase(url, durable=durable, most_connections=most_connections)
    raise SettingsError(
        f"WHARF_DATABASE_URL: {url.split(':', 1)[0]!r} is unknown; allowed are sqlite:///path "
        "and postgresql://user:password@host/database"
    )
