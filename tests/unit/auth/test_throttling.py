"""Failed logins make an account wait in its network; nobody gets in while nothing is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from servicekit.database import DatabaseUnavailable
from tests.servers.auth import TOKEN, AuthService
from tests.servers.people import PASSWORD, Person, logged_in, person
from wharf_auth import settings
from wharf_auth.accounts import secrets, tenants
from wharf_auth.accounts.login_attacks import MANY_NETWORKS
from wharf_auth.accounts.secret_lane import HashingBusy
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.app import create_app
from wharf_auth.database.login_tries import SqlLoginTries
from wharf_auth.domain.login_delays import (
    CLIENT_LONGEST_SECONDS,
    FORGOTTEN_AFTER_MILLISECONDS,
    LoginDelays,
    LoginLimits,
)

GRANT = {"grant_type": "client_credentials"}
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def limited(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> AuthService:
    """A service with 3 free failures, and 4 accounts that may fail from a network.

    Its own hashes cost little.
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


def spray(one: Person) -> list[int]:
    """Fail for six accounts of the person's tenant."""
    return [attempt(one, username=f"n{number}") for number in range(6)]


# The delay of an account in a network.


def test_waits_double_up_to_a_longest_one() -> None:
    """1 s after the free failures, then 2 s, 4 s … and never more than the setting."""
    delays = LoginDelays(free_failures=3, longest_seconds=20)
    waits = [delays.waits(failures, 1000, 1000) for failures in range(10)]
    assert waits == [0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]
    assert delays.waits(10**6, 1000, 21_000) == 0
    # A clock that was set back.
    assert delays.waits(3, 9000, 1000) == 1000


def test_delays_of_clients_are_short() -> None:
    """A client waits for a minute at most, whatever a person does."""
    for longest, of_client in ((900, CLIENT_LONGEST_SECONDS), (5, 5)):
        limits = LoginLimits(LoginDelays(3, longest), 100)
        assert limits.delays_of(person=False).longest_seconds == of_client
        assert limits.delays_of(person=True).longest_seconds == longest


def test_after_the_free_failures_an_account_waits(limited: AuthService) -> None:
    """Even the right secret waits, with `Retry-After` and OAuth's error, and then it is good."""
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
    """A try that was refused was not verified, and counts for nothing."""
    ada = person(limited)
    assert [attempt(ada) for _ in range(9)] == [401] * 3 + [429] * 6
    limited.clock.now += 1
    assert attempt(ada) == 401
    limited.clock.now += 1
    assert attempt(ada) == 429
    limited.clock.now += 1
    assert attempt(ada, PASSWORD) == 200


def test_a_person_waits_under_each_spelling(limited: AuthService) -> None:
    """Case and width of a name make no other account of it; another tenant does."""
    ada = person(limited)
    assert [attempt(ada) for _ in range(3)] == [401] * 3
    assert attempt(ada, PASSWORD, username="ADA") == 429
    assert attempt(ada, PASSWORD, username="\uff41da") == 429
    assert attempt(ada, tenant="other") == 401


def test_nobody_is_locked_out_from_elsewhere(limited: AuthService) -> None:
    """Failures from any number of networks keep neither a person nor a client from its own."""
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
    """Failures of one account keep no other one of the same network out."""
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
    """All addresses of a /64 are one network, and so are both ways to write an IPv4 address."""
    assert [fail(limited, address=one) for _ in range(3)] == [401] * 3
    assert fail(limited, address=other) == 429
    assert fail(limited, address="2001:db8:1:3::1") == 401


def test_names_that_are_not_there_wait_alike(limited: AuthService) -> None:
    """The answers to a name that nobody has are those to a name that somebody has."""
    ada = person(limited)
    for names in ({}, {"username": "nobody"}, {"tenant": "nowhere"}, {"username": "x" * 500}):
        assert [attempt(ada, **names) for _ in range(5)] == [401] * 3 + [429] * 2


def test_successes_do_not_count_and_forget_failures(limited: AuthService) -> None:
    """A client may log in as often as it likes, and failures before a success are forgotten."""
    assert {limited.post_token().status_code for _ in range(8)} == {200}
    ada = person(limited)
    for _ in range(4):
        assert [attempt(ada), attempt(ada), attempt(ada, PASSWORD)] == [401, 401, 200]


def test_failures_are_forgotten_after_a_quiet_time(limited: AuthService) -> None:
    """After four hours without a failure an account has its free ones again."""
    assert [fail(limited) for _ in range(4)] == [401, 401, 401, 429]
    limited.clock.now += FORGOTTEN_AFTER_MILLISECONDS / 1000 + 1
    assert [fail(limited) for _ in range(4)] == [401, 401, 401, 429]


def test_tries_at_the_same_time_share_the_free_ones(
    limited: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A try counts before it is verified: those that come meanwhile do not pass the number."""
    statuses: list[int] = []
    verify, more = Hasher.matching, iter(range(3))

    def slow(self: Hasher, *arguments: object) -> bool:
        if next(more, None) is not None:
            statuses.append(fail(limited))
        return verify(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Hasher, "matching", slow)
    assert fail(limited) == 401
    # The last to come is the first to be answered.
    assert statuses == [429, 401, 401]


def test_what_was_not_verified_does_not_count(
    limited: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tries that found no turn, or no credentials, take no free failure and start no wait."""
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


# Many accounts from one network.


def test_one_network_cannot_try_many_accounts(limited: AuthService) -> None:
    """Four accounts may fail from a network within an hour; from another one others still may."""
    ada = person(limited)
    assert spray(ada) == [401] * 4 + [429] * 2
    reply = ada.browser.post(
        "/auth/login",
        json={"tenant": "demo", "username": "n9", "password": "wrong"},
        environ_overrides={"REMOTE_ADDR": HERE},
    )
    assert reply.get_json()["violated_policies"] == ["login-network"]
    assert reply.headers["Retry-After"] == "3600"
    assert attempt(ada, PASSWORD) == 429
    assert attempt(ada, PASSWORD, ELSEWHERE) == 200
    limited.clock.now += 3601
    assert attempt(ada, PASSWORD) == 200


def test_who_is_known_in_a_network_passes_its_limit(limited: AuthService) -> None:
    """A person who logged in from there within 30 days logs in, and a client does; others wait."""
    ada, eve = person(limited), person(limited, "eve")
    assert attempt(ada, PASSWORD) == 200
    limited.clock.now += 30 * 24 * 3600
    spray(ada)
    assert attempt(eve, PASSWORD) == 429
    assert [attempt(ada), attempt(ada, PASSWORD)] == [401, 200]
    reply = limited.post_token(environ_overrides={"REMOTE_ADDR": HERE})
    assert reply.status_code == 200
    limited.clock.now += 32 * 24 * 3600
    spray(ada)
    assert attempt(ada, PASSWORD) == 429


def test_what_is_known_of_a_person_goes_with_it(limited: AuthService) -> None:
    """After a deletion, and after the purge of a tenant, no network of a person is kept."""
    ada, eve = person(limited), person(limited, "eve", tenant="acme")
    for one in (ada, eve):
        assert attempt(one, PASSWORD) == 200
    rows = limited.records._database.reading().rows
    assert len(rows("SELECT * FROM login_networks")) == 2
    assert limited.admin("DELETE", f"/tenants/demo/users/{ada.id}").status_code == 204
    assert [row[0] for row in rows("SELECT user_id FROM login_networks")] == [eve.id]
    assert limited.admin("DELETE", "/tenants/acme").status_code < 300
    limited.clock.now += 8 * 24 * 3600
    assert list(tenants.purge_due(limited.records, limited.clock)) == ["acme"]
    assert rows("SELECT * FROM login_networks") == []


# While nothing can be counted.


def test_nobody_gets_in_while_failures_cannot_be_counted(
    limited: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away does not open the door: 503, even when all is right."""
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


def test_a_login_that_is_right_stays_right(
    limited: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where failures cannot be taken back after a right secret, the answer is the token."""

    def down(*_: object) -> None:
        raise DatabaseUnavailable("no room")

    monkeypatch.setattr(SqlLoginTries, "forget", down)
    assert limited.post_token().status_code == 200


# A person under attack.


def attacked() -> float:
    """How often a person was found under attack, in this process."""
    return float(REGISTRY.get_sample_value("wharf_auth_persons_attacked_total") or 0)


def test_an_attack_from_many_networks_is_told(
    limited: AuthService, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the person once an hour, and nobody is locked out; names of nobody are not."""
    ada, before = person(limited), attacked()
    for number in range(MANY_NETWORKS - 1):
        attempt(ada, address=f"198.51.100.{number}")
        attempt(ada, address=f"198.51.100.{number}", username="a secret by mistake")
    assert attacked() == before
    for number in range(3):
        attempt(ada, address=f"203.0.113.{number}")
        for name in ("a secret by mistake", "nul\0"):
            attempt(ada, address=f"203.0.113.{number}", username=name)
    assert attacked() == before + 1
    (line,) = (one for one in caplog.messages if "have failed from" in one)
    assert ada.id in line
    assert "secret by mistake" not in caplog.text
    assert attempt(ada, PASSWORD) == 200
    limited.clock.now += 3601
    for number in range(MANY_NETWORKS):
        attempt(ada, address=f"192.0.2.{100 + number}")
    assert attacked() == before + 2


def test_variables_of_a_release_before_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that means nothing any more does not stop the start."""
    monkeypatch.setenv("WHARF_DATA", "/nowhere")
    monkeypatch.setenv("WHARF_LOGIN_FAILURES_PER_PERSON_PER_HOUR", "many")
    assert settings.read().login_free_failures == 10
    assert settings.retired() == ["WHARF_LOGIN_FAILURES_PER_PERSON_PER_HOUR"]
