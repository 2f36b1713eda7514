"""Delays of an account in its network after failed logins.

The first failures are free: they cause no delay. While failures cannot be counted, no person can
log in.
"""

from __future__ import annotations

import pytest

from servicekit.database import DatabaseUnavailable, OutOfSpace
from tests.servers.auth import TOKEN, AuthService
from tests.servers.logins import GRANT, HERE, attempt, fail
from tests.servers.people import PASSWORD, logged_in, person
from wharf_auth import settings
from wharf_auth.accounts.secret_lane import HashingBusy
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.database.login_tries import SqlLoginTries
from wharf_auth.domain.login_delays import (
    CLIENT_LONGEST_SECONDS,
    FORGOTTEN_AFTER_MILLISECONDS,
    LoginDelays,
    LoginLimits,
)

# The delay of an account in a network


def test_waits_double_up_to_a_longest_one() -> None:
    """After the free failures the delay is 1 s, doubles with each failure, and has a maximum."""
    delays = LoginDelays(free_failures=3, longest_seconds=20)
    waits = [delays.waits(failures, 1000, 1000) for failures in range(10)]
    assert waits == [0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]
    assert delays.waits(10**6, 1000, 21_000) == 0
    # The clock of another process may be ahead, or a clock may have been set back by a day.
    assert delays.waits(3, 9000, 1000) == 1000
    assert delays.waits(9, 86_400_000, 1000) == 0


def test_delays_of_clients_are_short() -> None:
    """A client waits for at most a minute, even if the maximum for persons is longer."""
    for longest, of_client in ((900, CLIENT_LONGEST_SECONDS), (5, 5)):
        limits = LoginLimits(LoginDelays(3, longest), 100)
        assert limits.delays_of(person=False).longest_seconds == of_client
        assert limits.delays_of(person=True).longest_seconds == longest


def test_after_the_free_failures_an_account_waits(limited: AuthService) -> None:
    """After three failures even the right secret gets 429 until the delay is over."""
    assert [fail(limited) for _ in range(4)] == [401, 401, 401, 429]
    here = {"REMOTE_ADDR": HERE}
    reply = limited.post_token(environ_overrides=here)
    assert reply.status_code == 429
    assert reply.headers["Retry-After"] == "1"
    body = reply.get_json()
    assert body["type"] == "/problems/quota-exceeded"
    assert body["error"] == "temporarily_unavailable"
    assert body["violated_policies"] == ["login-account"]
    assert body["detail"].endswith("Try again in 1 second.")
    limited.clock.now += 1
    assert limited.post_token(environ_overrides=here).status_code == 200


def test_refused_tries_make_no_wait_longer(limited: AuthService) -> None:
    """A refused attempt is not verified and does not make the delay longer."""
    ada = person(limited)
    assert [attempt(ada) for _ in range(9)] == [401] * 3 + [429] * 6
    limited.clock.now += 1
    assert attempt(ada) == 401
    limited.clock.now += 1
    assert attempt(ada) == 429
    limited.clock.now += 1
    assert attempt(ada, PASSWORD) == 200


def test_a_person_waits_under_each_spelling(limited: AuthService) -> None:
    """An account waits under each spelling of its name, but not in another tenant."""
    ada = person(limited)
    assert [attempt(ada) for _ in range(3)] == [401] * 3
    assert attempt(ada, PASSWORD, username="ADA") == 429
    assert attempt(ada, PASSWORD, username="\uff41da") == 429
    assert attempt(ada, tenant="other") == 401


def test_nobody_is_locked_out_from_elsewhere(limited: AuthService) -> None:
    """Failures from other networks do not delay a person or a client in its usual network."""
    ada = person(limited)
    for number in range(30):
        for _ in range(4):
            attempt(ada, address=f"198.51.100.{number}")
    for _ in range(4):
        fail(limited, address="198.51.100.1")
    assert attempt(ada, PASSWORD) == 200
    reply = limited.post_token(environ_overrides={"REMOTE_ADDR": HERE})
    assert reply.status_code == 200


def test_nobody_is_locked_out_by_a_neighbour(limited: AuthService) -> None:
    """Failures of one account do not delay another account of the same network."""
    ada, eve = person(limited), person(limited, "eve")
    for _ in range(9):
        attempt(ada)
    assert attempt(eve, PASSWORD) == 200
    assert attempt(ada, PASSWORD) == 429


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:db8:1:2::1", "2001:db8:1:2:3::9"), ("192.0.2.7", "::ffff:192.0.2.7")],
)
def test_addresses_of_one_host_count_together(limited: AuthService, one: str, other: str) -> None:
    """Addresses of a /64 count as one network, and both forms of an IPv4 address as one address."""
    assert [fail(limited, address=one) for _ in range(3)] == [401] * 3
    assert fail(limited, address=other) == 429
    assert fail(limited, address="2001:db8:1:3::1") == 401


def test_names_that_are_not_there_wait_alike(limited: AuthService) -> None:
    """An unknown name gets the same responses as an existing one."""
    ada = person(limited)
    for names in ({}, {"username": "nobody"}, {"tenant": "nowhere"}, {"username": "x" * 500}):
        assert [attempt(ada, **names) for _ in range(5)] == [401] * 3 + [429] * 2


def test_successes_do_not_count_and_forget_failures(limited: AuthService) -> None:
    """Successful logins have no limit, and a success resets the count of failures."""
    assert {limited.post_token().status_code for _ in range(8)} == {200}
    ada = person(limited)
    for _ in range(4):
        assert [attempt(ada), attempt(ada), attempt(ada, PASSWORD)] == [401, 401, 200]


def test_failures_are_forgotten_after_a_quiet_time(limited: AuthService) -> None:
    """After four hours without a failure an account again has failures that cause no delay."""
    assert [fail(limited) for _ in range(4)] == [401, 401, 401, 429]
    limited.clock.now += FORGOTTEN_AFTER_MILLISECONDS / 1000 + 1
    assert [fail(limited) for _ in range(4)] == [401, 401, 401, 429]


def test_tries_at_the_same_time_share_the_free_ones(
    limited: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt counts before it is verified, so concurrent attempts do not escape the delay."""
    statuses: list[int] = []
    verify, more = Hasher.matching, iter(range(3))

    def slow(self: Hasher, *arguments: object) -> bool:
        if next(more, None) is not None:
            statuses.append(fail(limited))
        return verify(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Hasher, "matching", slow)
    assert fail(limited) == 401
    # The innermost attempt gets its response first.
    assert statuses == [429, 401, 401]


def test_what_was_not_verified_does_not_count(
    limited: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that auth refuses without verification does not count as a failure."""
    assert [fail(limited) for _ in range(2)] == [401, 401]

    def busy(*_: object) -> bool:
        raise HashingBusy("no turn")

    with monkeypatch.context() as patched:
        patched.setattr(Hasher, "matching", busy)
        assert [fail(limited) for _ in range(5)] == [503] * 5
    replies = [limited.app.test_client().post(TOKEN, data=GRANT) for _ in range(8)]
    assert {reply.status_code for reply in replies} == {401}
    assert [fail(limited), fail(limited)] == [401, 429]


def test_forwarded_addresses_do_not_count(limited: AuthService) -> None:
    """A header field with an address has no effect on the address that counts (security.md 72)."""
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


# While failures cannot be counted


def test_nobody_gets_in_while_failures_cannot_be_counted(
    limited: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login with the right secret gets 503 while attempts cannot be counted."""
    ada = logged_in(limited)

    def down(*_: object) -> None:
        raise DatabaseUnavailable("no room")

    monkeypatch.setattr(SqlLoginTries, "count", down)
    reply = limited.post_token()
    assert reply.status_code == 503
    assert reply.get_json()["error"] == "temporarily_unavailable"
    assert reply.headers["Retry-After"]
    assert attempt(ada, PASSWORD) == 503
    body = {"current_password": PASSWORD, "new_password": "another good password"}
    assert ada.call("PUT", "/me/password", json=body).status_code == 503


def test_clients_log_in_on_a_full_disk(
    limited: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk a client gets a token, so that it can delete files; a person cannot log in."""
    ada = person(limited)

    def full(*_: object) -> None:
        raise OutOfSpace("the disk is full")

    monkeypatch.setattr(SqlLoginTries, "count", full)
    assert limited.post_token().status_code == 200
    assert fail(limited) == 401
    assert attempt(ada, PASSWORD) == 503


def test_a_login_that_is_right_stays_right(
    limited: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login with the right secret succeeds even when earlier failures cannot be reset."""

    def down(*_: object) -> None:
        raise DatabaseUnavailable("no room")

    monkeypatch.setattr(SqlLoginTries, "forget", down)
    assert limited.post_token().status_code == 200


def test_variables_of_a_release_before_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of an earlier release is reported and does not stop the start."""
    monkeypatch.setenv("WHARF_DATA", "/nowhere")
    monkeypatch.setenv("WHARF_LOGIN_FAILURES_PER_PERSON_PER_HOUR", "many")
    assert settings.read().login_free_failures == 10
    assert settings.retired() == ["WHARF_LOGIN_FAILURES_PER_PERSON_PER_HOUR"]
