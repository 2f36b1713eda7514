"""A PostgreSQL of the tests' own: a new cluster on a unix socket, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest

_BINARIES = Path("/usr/lib/postgresql")
_START_SECONDS = 30
# Small, and nothing has to survive. Hundreds of databases that live for a test need no vacuum.
_SETTINGS = ("fsync=off", "shared_buffers=16MB", "autovacuum=off")
# A new database is some 300 files: in memory it costs a seventh of what it costs on a disk.
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 2 << 30


def binary(name: str) -> str:
    """The newest installed binary; Debian keeps them off PATH."""
    found = sorted(_BINARIES.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not installed; `make test` installs it")
    return path


class PostgresServer:
    """One server that can be stopped, started and frozen; `settings` count from the next start."""

    def __init__(self, directory: Path, settings: Sequence[str] = _SETTINGS) -> None:
        self._directory, self.settings = directory, settings
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(directory, self._user)
        if not Path(self._data).exists():
            self._create()
        self._process: subprocess.Popen[bytes] | None = None
        self._templates: dict[Callable[[str], None], str] = {}
        self.start()

    def _create(self) -> None:
        # An ICU collation sorts unlike bytes: queries that rely on byte order must say so.
        self._run(
            *(binary("initdb"), "-D", self._data, "-U", "wharf", "-A", "trust", "-E", "UTF8"),
            *("--no-sync", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"),
        )

    @property
    def _data(self) -> str:
        return str(self._directory / "data")

    def _run(self, *command: str) -> None:
        subprocess.run(
            command, user=self._user, cwd=self._directory, check=True, capture_output=True
        )

    @property
    def pid(self) -> int:
        """The process from which all others of the server descend."""
        assert self._process
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """The libpq URL of a database."""
        return f"postgresql://wharf@/{database}?host={quote(str(self._directory), safe='')}"

    def new_database(self, template: str = "template1") -> str:
        """Make a database, and return its URL. It is empty unless a template is named."""
        name = f"test_{uuid4().hex}"
        self._run_statement(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    def filled_by(self, fill: Callable[[str], None]) -> str:
        """Make a database as `fill` makes it of an empty one, and return its URL.

        `fill` gets the URL of the first one; all others are copies of that.
        """
        if fill not in self._templates:
            url = self.new_database()
            fill(url)
            self._templates[fill] = _name(url)
        return self.new_database(self._templates[fill])

    def drop(self, url: str) -> None:
        """Remove a database, and end its connections."""
        self._run_statement(f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)")

    def _run_statement(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(binary("postgres"), "-D", self._data, "-k", str(self._directory)),
                    *("-c", "listen_addresses="),
                    *(word for setting in self.settings for word in ("-c", setting)),
                ],
                user=self._user,
                cwd=self._directory,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """No process of the server does anything meanwhile; connections stay open."""
        assert self._process
        server = self._process.pid
        # It first: a backend that it starts after the list was read would go on working.
        os.kill(server, signal.SIGSTOP)
        os.waitid(os.P_PID, server, os.WSTOPPED | os.WNOWAIT)
        processes = [server, *self._children(server)]
        for pid in processes:
            with suppress(ProcessLookupError):  # a backend whose client has just gone
                os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in processes:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @staticmethod
    def _children(pid: int) -> list[int]:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    def stop(self) -> None:
        """Stops the server; open connections break."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_START_SECONDS)
            self._process = None


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server for the whole session."""
    # Not pytest's own directories: a socket's path has 107 bytes at most.
    directory = Path(tempfile.mkdtemp(prefix="wharf-pg-", dir=_memory()))
    server = PostgresServer(directory)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(postgres: PostgresServer) -> str:
    """The URL of one database that all tests of the session share."""
    return postgres.new_database()


@pytest.fixture
def new_postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database that no other test sees."""
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def _name(url: str) -> str:
    """Return the name of the database in a URL of `PostgresServer.url`."""
    return url.partition("?")[0].rpartition("/")[2]


def _memory() -> Path | None:
    """Return a folder in memory, or None where there is none or it is small."""
    if not os.access(_MEMORY, os.W_OK):
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES else None
