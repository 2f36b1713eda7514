"""An auth service with low limits for failed logins, and functions that try to log in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.servers.auth import TOKEN, AuthService
from tests.servers.people import Person
from wharf_auth.accounts import secrets
from wharf_auth.app import create_app

GRANT = {"grant_type": "client_credentials"}
HERE = "192.0.2.1"


@pytest.fixture
def limited(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> AuthService:
    """Return a service that allows 3 failures of an account, and 4 accounts with
    failures in a network.

    The service's password hashes are cheap.
    """
    monkeypatch.setattr(secrets, "MEMORY_KIB", 8)
    monkeypatch.setattr(secrets, "PASSES", 1)
    strict = replace(auth.settings, login_free_failures=3, login_network_accounts=4)
    return replace(auth, app=create_app(strict, records=auth.records, clock=auth.clock))


def fail(auth: AuthService, client: str = "wharf-demo", address: str = HERE) -> int:
    reply = auth.app.test_client().post(
        TOKEN,
        data=GRANT,
        auth=(client, "wrong"),
        environ_overrides={"REMOTE_ADDR": address},
    )
    return reply.status_code


def attempt(one: Person, password: str = "wrong", address: str = HERE, **names: str) -> int:
    body = {"tenant": one.tenant, "username": one.username, "password": password, **names}
    where = {"REMOTE_ADDR": address}
    return one.browser.post("/auth/login", json=body, environ_overrides=where).status_code
