"""Chooses the database by URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from servicekit.database.base import MOST_CONNECTIONS, PAGE_BYTES, Database
from servicekit.settings import SettingsError


def sqlite_path(url: str) -> Path | None:
    """The file of a `sqlite:///…` URL, or `None` for other schemes."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        return None
    # sqlite:///relative and sqlite:////absolute, as SQLAlchemy has it.
    return Path(unquote(parts.path[1:])).absolute()


def open_database(
    url: str,
    *,
    durable: bool = True,
    page_bytes: int = PAGE_BYTES,
    most_connections: int = MOST_CONNECTIONS,
) -> Database:
    """A database for `sqlite:///path` or `postgresql://…`; raises `SettingsError` for others.

    `page_bytes` is the size of SQLite's pages: a few small rows cost less in small ones.
    `most_connections` is how many connections to PostgreSQL a process may open. Drivers are
    imported when they are needed: psycopg costs 20 MB of memory.
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
