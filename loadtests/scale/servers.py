"""A small and a full database, and a Wharf on each of them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from loadtests.bench.servers import FULL, Wharf
from loadtests.scale.filling import fill
from loadtests.scale.rows import Generated
from servicekit.database.opening import sqlite_path
from tests.servers.postgres import PostgresServer

SQLITE, POSTGRESQL = "sqlite", "postgresql"
DIALECTS = (SQLITE, POSTGRESQL)
# The settings that PostgreSQL's documentation advises: a part of the memory as cache, and rarer
# checkpoints.
_SERVING = ("shared_buffers=2GB", "max_wal_size=4GB")
_FILLING = (
    *("fsync=off", "shared_buffers=2GB", "max_wal_size=16GB", "wal_level=minimal"),
    *("max_wal_senders=0", "autovacuum=off", "maintenance_work_mem=512MB"),
)


@dataclass(frozen=True)
class Databases:
    """The URLs of both databases, and the processes of their server."""

    small: str
    full: str
    pids: tuple[int, ...] = ()


class ScaleWharf(Wharf):
    """A Wharf on an existing database. On SQLite only the upload service uses it."""

    def __init__(self, folder: Path, database: str) -> None:
        super().__init__(folder, FULL)
        self._database = database

    def _command(self) -> list[str]:
        path = sqlite_path(self._database)
        if path is not None:
            upload = self.folder / "data/upload"
            upload.mkdir(parents=True, mode=0o700)
            (upload / "upload.db").symlink_to(path)
        return super()._command()

    def _environment(self) -> Mapping[str, str]:
        own = {} if sqlite_path(self._database) else {"WHARF_DATABASE_URL": self._database}
        return {**super()._environment(), **own}


@contextmanager
def databases(dialect: str, work: Path, small: Generated, full: Generated) -> Iterator[Databases]:
    """Yield both databases, filled. A full database of an earlier run is used again."""
    work.mkdir(parents=True, exist_ok=True)
    make = _sqlite if dialect == SQLITE else _postgres
    with make(work, small, full) as made:
        yield made


@contextmanager
def _sqlite(work: Path, small: Generated, full: Generated) -> Iterator[Databases]:
    made = Databases(f"sqlite:///{work}/small.db", f"sqlite:///{work}/full.db")
    for path in work.glob("small.db*"):
        path.unlink()
    fill(made.small, small)
    if not (work / "full.db").exists():
        fill(made.full, full)
    yield made


@contextmanager
def _postgres(work: Path, small: Generated, full: Generated) -> Iterator[Databases]:
    folder = work / "pg"
    is_filled = folder.exists()
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        server = PostgresServer(folder, _FILLING)
        stack.callback(server.stop)
        _new_database(server, "small_db")
        fill(server.url("small_db"), small)
        if not is_filled:
            _new_database(server, "full_db")
            fill(server.url("full_db"), full)
        server.stop()
        server.settings = _SERVING
        server.start()
        yield Databases(server.url("small_db"), server.url("full_db"), (server.pid,))


def _new_database(server: PostgresServer, name: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())


def sizes(url: str) -> dict[str, int]:
    """Return the bytes of all tables and indexes together, then of each, the largest first."""
    path = sqlite_path(url)
    if path is not None:
        return {"all": path.stat().st_size, **_sqlite_pages(path)}
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relkind IN ('r', 'i') "
            "AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC"
        ).fetchall()
    return {"all": sum(size for _, size in rows), **dict(rows)}


def _sqlite_pages(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        try:
            rows = connection.execute(
                # `pgsize` overflows at 2 GiB. With aggregation, `pageno` is the number of pages.
                "SELECT name, pageno * (SELECT page_size FROM pragma_page_size) FROM dbstat "
                "WHERE aggregate = TRUE ORDER BY 2 DESC"
            ).fetchall()
        except sqlite3.OperationalError:  # this SQLite does not have the table
            return {}
    return dict(rows)


def remove(work: Path) -> None:
    """Delete all databases."""
    shutil.rmtree(work, ignore_errors=True)
