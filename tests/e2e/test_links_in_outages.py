"""Downloads by link while the database is locked or unreachable (docs/reliability.md)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.e2e.test_links import link
from tests.servers.postgres import PostgresServer, postgres
from tests.servers.wharf.api_client import SMALL, ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer

__all__ = ["postgres"]


def test_a_locked_database(wharf: Wharf, api: ApiClient) -> None:
    """While another process holds SQLite's lock, even links that no client has used work."""
    api.stored("file")
    target = link(api)
    anyone = api.using(None)
    database = wharf.data / "upload" / "upload.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert api.put("other").status == 503
        for headers in ({}, {"Range": "bytes=0-1"}, {"If-Match": "*"}):
            assert anyone.get(target, headers).status in (200, 206)
        connection.execute("ROLLBACK")


@pytest.fixture(scope="module")
def on_postgres(postgres: PostgresServer) -> Iterator[Wharf]:
    """Start a Wharf whose upload service keeps its records in PostgreSQL."""
    with running(WHARF_DATABASE_URL=postgres.new_database()) as found:
        yield found


def test_a_frozen_database(on_postgres: Wharf, postgres: PostgresServer) -> None:
    """While PostgreSQL is frozen, only recently used links work, and deleted files stay deleted."""
    api = Signer(on_postgres).client()
    anyone = api.using(None)
    for key in ("used", "unused", "deleted"):
        api.stored(key, SMALL)
    used, unused, deleted = (link(api, key) for key in ("used", "unused", "deleted"))
    short = link(api, "used", expires_in=3)
    for target in (used, deleted, short):
        assert anyone.get(target).status == 200
    assert api.delete("deleted").status == 204
    assert until(lambda: anyone.get(deleted).status == 404)
    with postgres.frozen():
        assert until(lambda: anyone.get(short).status in (404, 503))
        for headers in ({}, {"Range": "bytes=0-1"}, {"If-None-Match": '"x"'}):
            for _ in range(3):
                answer = anyone.get(used, headers)
                assert (answer.status, answer.body) in ((200, SMALL), (206, SMALL[:2]))
        anyone.get(unused).problem(503, "unavailable")
        assert anyone.get(deleted).status in (404, 503)
    assert until(lambda: anyone.get(unused).status == 200)
    assert anyone.get(short).status == 404
