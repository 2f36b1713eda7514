"""Failed logins for many accounts from one network, or for one account from many networks."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from servicekit.database import open_database
from tests.servers.auth import AuthService
from tests.servers.logins import HERE, attempt
from tests.servers.people import PASSWORD, Person, logged_in, person
from wharf_auth.accounts import login_attacks, tenants
from wharf_auth.accounts.login_attacks import MANY_NETWORKS

ELSEWHERE = "192.0.2.2"


def spray(one: Person) -> list[int]:
    """Fail to log in to six accounts of the person's tenant, and return the statuses."""
    return [attempt(one, username=f"n{number}") for number in range(6)]


# Many networks of one site


def test_a_site_has_ten_networks_of_failures(limited: AuthService) -> None:
    """After 30 failures from a /48, a person's logins from this /48 get 429, and logins from other
    networks succeed.
    """
    ada = person(limited)
    statuses = [attempt(ada, address=f"2001:db8:0:{number:x}::1") for number in range(32)]
    assert statuses == [401] * 30 + [429] * 2
    assert attempt(ada, PASSWORD, "2001:db8:0:99::1") == 429
    # A refused attempt does not count as a failure in its network.
    limited.clock.now += 1
    assert [attempt(ada, address="2001:db8:0:1e::1") for _ in range(2)] == [401, 429]
    for address in ("2001:db8:1::1", HERE):
        assert attempt(ada, PASSWORD, address) == 200


def test_strangers_in_a_site_keep_no_known_person_out(limited: AuthService) -> None:
    """A person known in a /48 can log in from all its networks, despite failures of others.

    A provider may have many customers in one /48.
    """
    ada = person(limited)
    assert attempt(ada, PASSWORD, "2001:db8:0:ffff::1") == 200
    statuses = [attempt(ada, address=f"2001:db8:0:{number:x}::1") for number in range(32)]
    assert statuses == [401] * 32
    for address in ("2001:db8:0:ffff::1", "2001:db8:0:9999::1"):
        assert attempt(ada, PASSWORD, address) == 200


def test_successes_in_a_site_do_not_count(limited: AuthService) -> None:
    """Successful logins from many networks of a site count towards no limit."""
    ada = person(limited)
    addresses = [f"2001:db8:0:{number:x}::1" for number in range(35)]
    assert {attempt(ada, PASSWORD, address) for address in addresses} == {200}


def test_a_stolen_token_opens_no_site(limited: AuthService) -> None:
    """Wrong passwords at the change of a password count towards the limit of failures of a /48."""
    ada = logged_in(limited)
    body = {"current_password": "wrong", "new_password": "another good password"}
    statuses = []
    for number in range(32):
        ada.browser.environ_base["REMOTE_ADDR"] = f"2001:db8:0:{number:x}::1"
        statuses.append(ada.call("PUT", "/me/password", json=body).status_code)
    assert statuses == [403] * 30 + [429] * 2


# Many accounts from one network


def test_one_network_cannot_try_many_accounts(limited: AuthService) -> None:
    """After failures for four accounts within an hour, logins of other accounts in this network get
    429.
    """
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
    """A network at its limit admits clients, and users who logged in from it within 30 days."""
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
    """The deletion of a user and the purge of a tenant delete the users' known networks."""
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


def test_housekeeping_removes_what_is_known_no_more(limited: AuthService) -> None:
    """Housekeeping removes failures after four hours and known networks after a month."""
    ada = person(limited)
    assert [attempt(ada, PASSWORD), attempt(ada)] == [200, 401]
    tries = open_database(f"sqlite:///{limited.settings.tries_file}")

    def kept() -> list[int]:
        internal = {"WHARF_INTERNAL": "1"}
        client = limited.app.test_client()
        reply = client.get("/auth/internal/feed", environ_overrides=internal)
        assert reply.status_code == 200
        known = limited.records._database.reading().rows("SELECT * FROM login_networks")
        return [len(known), len(tries.reading().rows("SELECT * FROM login_tries"))]

    assert kept() == [1, 1]
    limited.clock.now += 5 * 3600
    assert kept() == [1, 0]
    limited.clock.now += 32 * 24 * 3600
    assert kept() == [0, 0]
    # The clock is set back.
    limited.clock.now -= 24 * 3600
    assert attempt(ada) == 401
    limited.clock.now += 5 * 3600
    assert kept() == [0, 0]
    tries.close()


# A person under attack


def attacked() -> float:
    """Return how many attacks on persons this process has counted."""
    return float(REGISTRY.get_sample_value("wharf_auth_persons_attacked_total") or 0)


def test_an_attack_from_many_networks_is_told(
    limited: AuthService, caplog: pytest.LogCaptureFixture
) -> None:
    """An attack on a user is logged once an hour, and the user can still log in.

    The log does not contain unknown names, which may be secrets that were typed by mistake.
    """
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


def test_made_up_names_push_no_person_out(
    limited: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attack on a person is counted once, even when unknown names fail in the same hour."""
    ada, before = person(limited), attacked()
    monkeypatch.setattr(login_attacks, "_MOST_TOLD", 1)
    for number in range(MANY_NETWORKS + 1):
        for name in ("ada", "nobody"):
            attempt(ada, address=f"192.0.2.{number}", username=name)
    assert attacked() == before + 1
