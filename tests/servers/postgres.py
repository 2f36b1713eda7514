"""A PostgreSQL server of the tests: a new cluster on a unix socket, removed afterwards."""

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
# The server is small, and does not survive a power cut. Databases that serve one test each need no
# vacuum.
_SETTINGS = ("fsync=off", "shared_buffers=16MB", "autovacuum=off")
# A new database has about 300 files. In memory it takes a seventh of the time to make these files.
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 2 << 30


def binary(name: str) -> str:
    """Return the path of the newest installed binary, which Debian does not put on PATH."""
    found = sorted(_BINARIES.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not installed; `make test` installs it")
    return path


class PostgresServer:
    """One server that can be stopped, started and frozen. `settings` apply from the next start."""

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
        # An ICU collation does not sort by bytes, so queries that need byte order must request it.
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
        """Return the process id of the server, the parent of its other processes."""
        assert self._process
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """Return the libpq URL of a database."""
        return f"postgresql://wharf@/{database}?host={quote(str(self._directory), safe='')}"

    def new_database(self, template: str = "template1") -> str:
        """Copy `template` and return the URL of the copy. The default template is empty."""
        name = f"test_{uuid4().hex}"
        self._run_statement(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    def filled_by(self, fill: Callable[[str], None]) -> str:
        """Make a database with the content that `fill` writes, and return its URL.

        Only the first call runs `fill`, on a template. Each call returns a copy of the template.
        """
        if fill not in self._templates:
            url = self.new_database()
            fill(url)
            self._templates[fill] = _name(url)
        return self.new_database(self._templates[fill])

    def drop(self, url: str) -> None:
        """Remove a database and end its connections."""
        self._run_statement(f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)")

    def _run_statement(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def start(self) -> None:
        """Start the server and wait until it responds."""
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
        """Freeze all processes of the server during the block. Connections stay open."""
        assert self._process
        server = self._process.pid
        # Freeze the server first: a backend that starts after the list was read is not in the list.
        os.kill(server, signal.SIGSTOP)
        os.waitid(os.P_PID, server, os.WSTOPPED | os.WNOWAIT)
        processes = [server, *self._children(server)]
        for pid in processes:
            with suppress(ProcessLookupError):  # a backend whose client has just disconnected
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
        """Stop the server, which breaks open connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_START_SECONDS)
            self._process = None


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Yield a running server for the whole session."""
    # Not pytest's own folders, because a socket's path may have at most 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="wharf-pg-", dir=_memory()))
    server = PostgresServer(directory)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(postgres: PostgresServer) -> str:
    """Return the URL of one database that all tests of the session share."""
    return postgres.new_database()


@pytest.fixture
def new_postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Yield the URL of an empty database that no other test uses."""
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def _name(url: str) -> str:
    """Return the name of the database in a URL of `PostgresServer.url`."""
    return url.partition("?")[0].rpartition("/")[2]


def _memory() -> Path | None:
    """Return a folder in memory, or None when it is missing or too small."""
    if not os.access(_MEMORY, os.W_OK):
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES else None
