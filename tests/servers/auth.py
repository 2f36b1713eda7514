"""An auth service for tests: a SQLite database, one signing key, an administrator, a
demo client.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

import wharf_auth
from servicekit.database import open_database
from servicekit.database.migrating import upgrade
from wharf_auth import signing
from wharf_auth.accounts.secrets import Hasher, new_secret
from wharf_auth.app import create_app
from wharf_auth.database.sql import SqlRecords
from wharf_auth.domain.acts import Act, Actor
from wharf_auth.provisioning import (
    DEMO,
    Entry,
    Initialiser,
    read_credentials,
    write_credentials,
)
from wharf_auth.settings import Settings

MIGRATIONS = Path(wharf_auth.__file__).parent / "migrations"
ISSUER = "http://wharf.test/auth"
TOKEN = "/auth/oauth/token"


class Clock:
    """A clock in Unix seconds that a test moves. `opened` sets it to the time at which the signing
    key was made, because libraries compare the times in tokens with the real time.
    """

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class AuthService:
    """The application of auth, and the settings, records, clock and credentials that it uses."""

    app: Flask
    settings: Settings
    records: SqlRecords
    clock: Clock
    credentials: Mapping[str, Entry]
    _token: str = field(default="", repr=False)

    def post_token(
        self,
        form: Mapping[str, str] | None = None,
        *,
        client: str = "demo",
        secret: str | None = None,
        **arguments: Any,
    ) -> TestResponse:
        """Request a token with the credentials of a client, or with another `secret`, by HTTP
        Basic.
        """
        entry = self.credentials[client]
        return self.app.test_client().post(
            TOKEN,
            data={"grant_type": "client_credentials", **(form or {})},
            auth=(entry.client_id, entry.client_secret if secret is None else secret),
            **arguments,
        )

    def admin(self, method: str, path: str, **arguments: Any) -> TestResponse:
        """Send a request to `path` below `/auth/v1` with a token of the administrator."""
        if not self._token:
            self._token = self.post_token(client="admin").get_json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        return self.app.test_client().open(
            f"/auth/v1{path}", method=method, headers=headers, **arguments
        )


@pytest.fixture(scope="session")
def auth_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a new installation without people. All tests copy this folder."""
    data = tmp_path_factory.mktemp("auth-template")
    settings = Settings(data=data, issuer=ISSUER)
    upgrade(settings.effective_database_url, MIGRATIONS)
    # Only these clients are created, and no people. Tests create the people that they need.
    demo = Entry(DEMO.client_id, new_secret(), DEMO.tenant)
    write_credentials(settings.credentials_path, {DEMO.entry: demo})
    with closing(open_database(settings.effective_database_url)) as database:
        Initialiser(
            SqlRecords(database),
            Hasher(),
            settings.keys_directory,
            settings.credentials_path,
            lambda: 1_795_000_000.0,
            data,
        ).run()
    return data


@pytest.fixture
def auth_settings(auth_template: Path, tmp_path: Path) -> Settings:
    """Return settings with a copy of the template as data folder."""
    data = tmp_path / "data"
    shutil.copytree(auth_template, data)
    return Settings(data=data, issuer=ISSUER)


@pytest.fixture
def auth(auth_settings: Settings) -> Iterator[AuthService]:
    """Yield a separate service for each test."""
    with opened(auth_settings) as service:
        yield service


@contextmanager
def opened(settings: Settings) -> Iterator[AuthService]:
    """Yield a service on the data folder of the settings, and close its database after
    the block.
    """
    with closing(open_database(settings.effective_database_url)) as database:
        records = SqlRecords(database)
        keys = signing.load(settings.keys_directory)
        clock = Clock(next(iter(keys.values())).since)
        app = create_app(settings, records=records, clock=clock)
        credentials = read_credentials(settings.credentials_path)
        yield AuthService(app, settings, records, clock, credentials)


def refused(reply: TestResponse, status: int, error: str) -> str:
    """Check that the response is an error of RFC 6749 section 5.2, and return its description."""
    assert reply.status_code == status
    assert reply.content_type == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"
    body = reply.get_json()
    assert set(body) == {"error", "error_description"}
    assert body["error"] == error
    return str(body["error_description"])


def act(name: str = "test", *, tenant: str = "acme", about: str = "x", at: int = 1) -> Act:
    """Return an entry for the audit log, which tests pass to methods of the records
    that write one.
    """
    return Actor("tester", "wharf-admin", "127.0.0.1", "request-1").does(
        name, tenant=tenant, about=about, at=at
    )
