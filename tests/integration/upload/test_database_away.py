"""A database that is locked, frozen or down: a bounded wait, 503, no stored file, and recovery."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from servicekit.database.migrating import upgrade
from servicekit.testing import Issuer
from tests.servers.postgres import PostgresServer
from tests.servers.upload import MIGRATIONS, UploadService, assemble, form_body, settings_for
from tests.servers.upload_invariants import assert_nothing_else, assert_sound, live

_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""
# A wait without a limit would last for this long, which is much longer than expected.
_NEVER_SECONDS = 60
Upload = Callable[[UploadService], TestResponse]
WAYS: dict[str, Upload] = {
    "small": lambda service: service.put("new.txt", b"new"),
    "spooled": lambda service: service.put("new.txt", b"new" * 1000, spooled=True),
    "form": lambda service: service.post_form(form_body([("a", b"1"), ("b", b"2")])),
}


@contextmanager
def held(database: Path) -> Iterator[None]:
    """Let another process hold the database's write lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            process.kill()


def bounded(service: UploadService, way: Upload) -> TestResponse:
    """Send a request in a separate thread and return the response. Fail if no response arrives in
    time.
    """
    replies: list[TestResponse] = []

    def work() -> None:
        try:
            replies.append(way(service))
        finally:
            service.database.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_NEVER_SECONDS)
    assert replies, "the request never ended"
    return replies[0]


def assert_unavailable(reply: TestResponse) -> None:
    """Assert a 503 with `Retry-After`, from the service or as a refusal that the
    gateway passes on.
    """
    if reply.status_code == 403:
        assert reply.headers["X-Denied-Status"] == "503"
        assert int(reply.headers["X-Denied-Retry-After"]) > 0
    else:
        assert reply.status_code == 503, reply.text
        assert int(reply.headers["Retry-After"]) > 0
        assert reply.json
        assert reply.json["type"] == "/problems/unavailable"


@pytest.mark.parametrize("way", WAYS)
def test_locked(upload: UploadService, way: str) -> None:
    """While the database is locked, uploads get 503 and leave nothing, and downloads work."""
    upload.put("kept.txt", b"kept")
    with held(upload.settings.data / "upload" / "upload.db"):
        assert_unavailable(bounded(upload, WAYS[way]))
        assert upload.content("kept.txt") == b"kept"
        assert len(upload.blobs()) == 1
        assert list(upload.store.leftovers()) == []
        assert list(upload.settings.spool_folder.iterdir()) == []
    assert WAYS[way](upload).status_code == 201
    assert_sound(upload)
    assert_nothing_else(upload)


def test_locked_under_load(upload: UploadService) -> None:
    """Sixteen uploads that wait for the same lock all get 503, and leave no blob."""
    replies: list[TestResponse] = []

    def work(number: int) -> None:
        try:
            replies.append(upload.put(f"{number}.txt", b"x"))
        finally:
            upload.database.close()

    threads = [threading.Thread(target=work, args=(one,), daemon=True) for one in range(16)]
    with held(upload.settings.data / "upload" / "upload.db"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_NEVER_SECONDS)
        assert len(replies) == 16
    for reply in replies:
        assert_unavailable(reply)
    assert upload.blobs() == set()


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """Yield a PostgreSQL server that only this file uses, so tests may stop it."""
    with tempfile.TemporaryDirectory(prefix="wharf-pg-") as folder:
        server = PostgresServer(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def on_postgres(
    own_postgres: PostgresServer, issuer: Issuer, tmp_path: Path
) -> Iterator[UploadService]:
    """Yield a service with its records in PostgreSQL, with one file."""
    url = own_postgres.new_database()
    upgrade(url, MIGRATIONS)
    settings = settings_for(tmp_path, durability="relaxed", database_url=url)
    service = assemble(settings, issuer)
    assert service.put("kept.txt", b"kept").status_code == 201
    yield service
    service.database.close()


@pytest.mark.parametrize("way", ["small", "form"])
def test_frozen_server(on_postgres: UploadService, own_postgres: PostgresServer, way: str) -> None:
    """A PostgreSQL server that does not respond leads to 503 after a bounded wait,
    and stores nothing.
    """
    with own_postgres.frozen():
        assert_unavailable(bounded(on_postgres, WAYS[way]))
        ready = bounded(on_postgres, lambda service: service.request("GET", "/readyz"))
        assert ready.status_code == 503
        assert ready.json
        assert list(ready.json["down"]) == ["database"]
        assert len(on_postgres.blobs()) == 1
    assert WAYS[way](on_postgres).status_code == 201
    assert on_postgres.content("kept.txt") == b"kept"
    assert_sound(on_postgres)


def test_frozen_at_the_commit(on_postgres: UploadService, own_postgres: PostgresServer) -> None:
    """A commit without a response leads to 503 and keeps the bytes, since the row may exist."""
    group = on_postgres.records._group
    make_durable = group._before_commit
    assert make_durable is not None
    freezing = own_postgres.frozen()

    def freeze(blobs: list[tuple[str, str]]) -> None:
        make_durable(blobs)
        freezing.__enter__()

    group._before_commit = freeze
    try:
        assert_unavailable(bounded(on_postgres, WAYS["small"]))
    finally:
        freezing.__exit__(None, None, None)
        group._before_commit = make_durable
    assert on_postgres.put("new.txt", b"newer").status_code == 201
    assert on_postgres.content("new.txt") == b"newer"
    assert_sound(on_postgres)
    assert_nothing_else(on_postgres)


def test_restarted_server(on_postgres: UploadService, own_postgres: PostgresServer) -> None:
    """While PostgreSQL is down each request gets 503, and after its restart the service works."""
    own_postgres.stop()
    try:
        assert_unavailable(on_postgres.put("new.txt", b"new"))
        assert_unavailable(on_postgres.request("GET", "/v1/files/default/kept.txt"))
        assert on_postgres.request("GET", "/readyz").status_code == 503
        assert len(on_postgres.blobs()) == 1
    finally:
        own_postgres.start()
    # These are the first requests after the restart, with connections from before it.
    assert on_postgres.put("new.txt", b"new").status_code == 201
    assert on_postgres.content("kept.txt") == b"kept"
    assert list(live(on_postgres)) == ["kept.txt", "new.txt"]
    assert_sound(on_postgres)


def test_restart_between_requests(on_postgres: UploadService, own_postgres: PostgresServer) -> None:
    """After a restart of PostgreSQL between two requests, the next read or write succeeds."""
    for first in (lambda: on_postgres.content("kept.txt"), lambda: on_postgres.put("a", b"a")):
        own_postgres.stop()
        own_postgres.start()
        assert first()
    assert list(live(on_postgres)) == ["a", "kept.txt"]
