"""An auth service for tests: records in a file, one key, an administrator and a demo client."""

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
    """A clock in Unix seconds that a test moves. The service begins with the time of its
    key, because libraries compare the times in tokens with the real time.
    """

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class AuthService:
    """The application and the objects that it uses."""

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
        """Request a token by HTTP Basic with the secret of an entry or with another secret."""
        entry = self.credentials[client]
        return self.app.test_client().post(
            TOKEN,
            data={"grant_type": "client_credentials", **(form or {})},
            auth=(entry.client_id, entry.client_secret if secret is None else secret),
            **arguments,
        )

    def admin(self, method: str, path: str, **arguments: Any) -> TestResponse:
        """Send a request of the administrator below `/auth/v1`."""
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
    # With an existing file no other accounts are made. Tests make the people that they need.
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
    """Yield the service on this data folder, and close its records at the end."""
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
    """Return an act of the test, for changes of records without a request."""
    return Actor("tester", "wharf-admin", "127.0.0.1", "request-1").does(
        name, tenant=tenant, about=about, at=at
    )
