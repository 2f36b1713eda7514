"""Failed logins are limited, and nobody gets in while they cannot be counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from limits.storage import MemoryStorage

from tests.servers.auth import TOKEN, AuthService
from wharf_auth.app import create_app

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def limited(auth: AuthService) -> AuthService:
    """A service that allows 3 failures a client and 5 an address."""
    settings = replace(
        auth.settings,
        login_failures_per_client_per_minute=3,
        login_failures_per_address_per_minute=5,
    )
    return replace(auth, app=create_app(settings, records=auth.records, clock=auth.clock))


def fail(auth: AuthService, client: str = "wharf-demo", address: str = "192.0.2.1") -> int:
    reply = auth.app.test_client().post(
        TOKEN,
        data=GRANT,
        auth=(client, "wrong"),
        environ_overrides={"REMOTE_ADDR": address},
    )
    return reply.status_code


def test_too_many_failures_lock_client_and_address(limited: AuthService) -> None:
    """After the third failure even the right secret waits, with `Retry-After` and OAuth's error."""
    assert [fail(limited) for _ in range(4)] == [401, 401, 401, 429]
    reply = limited.post_token(environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert reply.status_code == 429
    assert 1 <= int(reply.headers["Retry-After"]) <= 60
    body = reply.get_json()
    assert body["type"] == "/problems/quota-exceeded"
    assert body["error"] == "temporarily_unavailable"


def test_nobody_can_lock_out_a_client_from_elsewhere(limited: AuthService) -> None:
    """Failures from one address do not keep the client from logging in at another."""
    for _ in range(4):
        fail(limited)
    reply = limited.post_token(environ_overrides={"REMOTE_ADDR": "192.0.2.2"})
    assert reply.status_code == 200


def test_one_address_cannot_try_many_clients(limited: AuthService) -> None:
    """An address has a limit of its own, whatever names it tries."""
    assert [fail(limited, f"client-{n}") for n in range(7)] == [401] * 5 + [429] * 2


def test_forwarded_addresses_do_not_count(limited: AuthService) -> None:
    """The gateway says who asks; a header of the client's does not (security.md 72)."""
    statuses = [
        limited.app.test_client()
        .post(
            TOKEN,
            data=GRANT,
            auth=("wharf-demo", "wrong"),
            headers={"X-Forwarded-For": f"198.51.100.{n}", "Forwarded": f"for=198.51.100.{n}"},
        )
        .status_code
        for n in range(5)
    ]
    assert statuses == [401, 401, 401, 429, 429]


def test_successes_do_not_count(limited: AuthService) -> None:
    """A client may log in as often as it likes."""
    assert {limited.post_token().status_code for _ in range(8)} == {200}


def test_missing_credentials_do_not_count(limited: AuthService) -> None:
    """Nothing was tried, so nothing is counted, and nothing was hashed."""
    replies = [limited.app.test_client().post(TOKEN, data=GRANT) for _ in range(8)]
    assert {reply.status_code for reply in replies} == {401}


def test_nobody_gets_in_while_failures_cannot_be_counted(
    limited: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storage that is down does not open the door: 503, even when all is right."""

    def down(*_: object) -> int:
        raise ConnectionError("redis is down")

    monkeypatch.setattr(MemoryStorage, "get", down)
    reply = limited.post_token()
    assert reply.status_code == 503
    assert reply.get_json()["error"] == "temporarily_unavailable"
    assert reply.headers["Retry-After"]
