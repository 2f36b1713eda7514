"""The auth service on PostgreSQL and Redis, while they run and during outages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from servicekit.database import open_database
from servicekit.database.migrating import upgrade
from tests.servers.auth import MIGRATIONS, AuthService
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.app import create_app
from wharf_auth.database.sql import SqlRecords
from wharf_auth.provisioning import Initialiser


@pytest.fixture
def on_postgres(auth: AuthService, new_postgres_url: str) -> Iterator[AuthService]:
    """Yield the service of `auth` with its records in PostgreSQL. Keys and credentials stay the
    same.
    """
    settings = replace(auth.settings, database_url=new_postgres_url)
    upgrade(new_postgres_url, MIGRATIONS)
    database = open_database(new_postgres_url)
    records = SqlRecords(database)
    Initialiser(
        records,
        Hasher(),
        settings.keys_directory,
        settings.credentials_path,
        auth.clock,
        settings.data,
    ).run()
    app = create_app(settings, records=records, clock=auth.clock)
    yield replace(auth, app=app, settings=settings, records=records)
    database.close()


def test_postgres_holds_everything(on_postgres: AuthService) -> None:
    """Logins, tenants and clients work on PostgreSQL as on SQLite."""
    assert on_postgres.post_token().status_code == 200
    assert on_postgres.admin("POST", "/tenants", json={"tenant": "acme"}).status_code == 201
    body = {"name": "日本", "scopes": ["files:read"]}
    made = on_postgres.admin("POST", "/tenants/acme/clients", json=body).get_json()
    assert on_postgres.admin("POST", "/tenants/acme/suspend").status_code == 204
    (listed,) = on_postgres.admin("GET", "/tenants/acme/clients").get_json()["clients"]
    assert listed["client_id"] == made["client_id"]
    assert on_postgres.app.test_client().get("/auth/readyz").status_code == 200


def test_postgres_down_is_503_and_comes_back(
    on_postgres: AuthService, postgres: PostgresServer
) -> None:
    """A login gets 503 with `Retry-After` while PostgreSQL is down.
    Afterwards logins succeed again.
    """
    assert on_postgres.post_token().status_code == 200
    postgres.stop()
    try:
        reply = on_postgres.post_token()
        assert reply.status_code == 503
        assert reply.headers["Retry-After"]
        ready = on_postgres.app.test_client().get("/auth/readyz")
        assert (ready.status_code, list(ready.get_json()["down"])) == (503, ["database"])
    finally:
        postgres.start()
    assert on_postgres.post_token().status_code == 200


def test_instances_count_failures_together(on_postgres: AuthService) -> None:
    """After failed logins of an account at one instance of auth, another instance also refuses the
    account's logins.
    """
    settings = replace(on_postgres.settings, login_free_failures=3)
    one, other = (
        replace(
            on_postgres,
            app=create_app(settings, records=on_postgres.records, clock=on_postgres.clock),
        )
        for _ in range(2)
    )
    assert [one.post_token(secret="wrong").status_code for _ in range(3)] == [401] * 3
    assert other.post_token().status_code == 429


def test_logins_need_no_redis(auth: AuthService, redis_server: RedisServer) -> None:
    """While Redis is down, auth accepts logins, counts failed logins and refuses further logins."""
    settings = replace(auth.settings, limits_url=redis_server.url, login_free_failures=1)
    app = create_app(settings, records=auth.records, clock=auth.clock)
    on_redis = replace(auth, app=app, settings=settings)
    redis_server.stop()
    try:
        assert on_redis.post_token().status_code == 200
        assert on_redis.post_token(secret="wrong").status_code == 401
        assert on_redis.post_token().status_code == 429
    finally:
        redis_server.start()
