"""Revocation (RFC 7009) and introspection (RFC 7662)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.servers.auth import ISSUER, TOKEN, AuthService, act, refused
from tests.servers.people import logged_in
from wharf_auth.accounts import clients
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.domain.acts import Actor
from wharf_auth.routes.grants.token_exchange import ACCESS_TOKEN, NAME

DAY_SECONDS = 24 * 3600
TICKET = {"bucket": "photos", "prefix": "", "max_files": 2}


def token(auth: AuthService, client: str = "demo") -> str:
    return str(auth.post_token(client=client).get_json()["access_token"])


def ask(auth: AuthService, what: str, text: str, *, client: str = "demo") -> TestResponse:
    entry = auth.credentials[client]
    return auth.app.test_client().post(
        f"/auth/oauth/{what}",
        data={"token": text},
        auth=(entry.client_id, entry.client_secret),
    )


def facts(auth: AuthService, text: str, *, client: str = "demo") -> dict[str, Any]:
    reply = ask(auth, "introspect", text, client=client)
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    found: dict[str, Any] = reply.get_json()
    return found


def revoke(auth: AuthService, text: str, *, client: str = "demo") -> None:
    reply = ask(auth, "revoke", text, client=client)
    assert (reply.status_code, reply.get_data()) == (200, b"")
    assert reply.headers["Cache-Control"] == "no-store"


def exchanged(auth: AuthService, subject: str, **form: str) -> str:
    fields = {"grant_type": NAME, "subject_token": subject, "subject_token_type": ACCESS_TOKEN}
    reply = auth.app.test_client().post(TOKEN, data={**fields, **form})
    assert reply.status_code == 200, reply.get_data()
    return str(reply.get_json()["access_token"])


def of_other_tenant(auth: AuthService) -> tuple[str, str]:
    """Create a client of another tenant, and return its id and its secret."""
    auth.admin("POST", "/tenants", json={"tenant": "other"})
    made, secret = clients.create(
        auth.records,
        Hasher(),
        auth.clock,
        tenant="other",
        name="x",
        wanted=["files:read"],
        by=Actor("tester"),
    )
    return made.id, secret


def test_a_live_token_is_told_about(auth: AuthService) -> None:
    """Introspection returns a valid token's claims, with its tenant."""
    now = int(auth.clock())
    found = facts(auth, token(auth))
    assert found.pop("jti")
    assert found == {
        "active": True,
        "scope": "buckets:admin files:delete files:read files:write",
        "client_id": "wharf-demo",
        "token_type": "Bearer",
        "exp": now + 900,
        "iat": now,
        "sub": "wharf-demo",
        "iss": ISSUER,
        "tid": "demo",
    }


def test_a_ticket_is_told_about_with_its_rules(auth: AuthService) -> None:
    """Introspection of a ticket returns its rules and the id of its parent."""
    subject = token(auth)
    found = facts(auth, exchanged(auth, subject, ticket=json.dumps(TICKET)))
    assert found["ticket"] == {**TICKET, "methods": ["PUT", "POST"]}
    assert found["sid"] == facts(auth, subject)["jti"]


def test_revoked_tokens_are_not_active(auth: AuthService) -> None:
    """A revoked token is inactive immediately, and only the first revocation is logged."""
    text = token(auth)
    assert facts(auth, text)["active"]
    for _ in range(2):
        revoke(auth, text)
        assert facts(auth, text) == {"active": False}
    noted = [one.act for one in auth.records.audit(after=0, limit=99)]
    assert [(one.by.id, one.tenant) for one in noted if one.act == "tokens.revoke"] == [
        ("wharf-demo", "demo")
    ]


def test_a_revoked_administrator_is_out_at_once(auth: AuthService) -> None:
    """Auth refuses a revoked administrator's token immediately, without the feed."""
    text = token(auth, "admin")
    headers = {"Authorization": f"Bearer {text}"}
    client = auth.app.test_client()
    assert client.get("/auth/v1/tenants", headers=headers).status_code == 200
    revoke(auth, text, client="admin")
    reply = client.get("/auth/v1/tenants", headers=headers)
    assert reply.status_code == 401
    assert reply.get_json()["type"] == "/problems/token-revoked"
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]


def test_what_was_exchanged_ends_with_its_token(auth: AuthService) -> None:
    """The revocation of a token ends its tickets and their narrowed tickets, and no other token."""
    subject, other = token(auth), token(auth)
    ticket = exchanged(auth, subject, ticket=json.dumps(TICKET))
    narrower = exchanged(auth, ticket, ticket=json.dumps({**TICKET, "max_files": 1}))
    kept = exchanged(auth, other, ticket=json.dumps(TICKET))
    revoke(auth, subject)
    assert [facts(auth, one)["active"] for one in (subject, ticket, narrower)] == [False] * 3
    assert facts(auth, kept)["active"]
    assert facts(auth, other)["active"]


def test_a_chain_ends_below_the_revoked_token(auth: AuthService) -> None:
    """The revocation of an exchanged token ends its descendants but not its ancestors."""
    for subject in (token(auth), logged_in(auth, role="editor").token):
        middle = exchanged(auth, subject)
        below = exchanged(auth, middle)
        ticket = exchanged(auth, below, ticket=json.dumps(TICKET))
        beside = exchanged(auth, subject)
        chain = [facts(auth, one)["jti"] for one in (subject, middle, below)]
        assert facts(auth, ticket)["parents"] == chain
        revoke(auth, middle)
        ended = [not facts(auth, one)["active"] for one in (middle, below, ticket)]
        assert ended == [True] * 3
        assert facts(auth, beside)["active"]
        revoke(auth, subject)
        assert facts(auth, beside) == {"active": False}


def test_a_revoked_ticket_ends_alone(auth: AuthService) -> None:
    """A revoked ticket ends with its narrowed tickets; its parent and other tickets stay valid."""
    subject = token(auth)
    ticket = exchanged(auth, subject, ticket=json.dumps(TICKET))
    other = exchanged(auth, subject, ticket=json.dumps(TICKET))
    narrower = exchanged(auth, ticket, ticket=json.dumps(TICKET), expires_in="5")
    revoke(auth, narrower)
    # The narrower ticket has expired, but its entry in the feed must remain to end `ticket`.
    auth.clock.now += 70
    auth.records.prune_feed(int(auth.clock()))
    assert facts(auth, ticket) == {"active": False}
    assert facts(auth, other)["active"]
    assert facts(auth, subject)["active"]


def test_expired_tokens_are_not_active(auth: AuthService) -> None:
    """An expired token is inactive; its revocation a day later adds no entry to the feed."""
    text = token(auth)
    auth.clock.now += 961
    assert facts(auth, text) == {"active": False}
    auth.clock.now += DAY_SECONDS
    revoke(auth, text)
    assert auth.records.feed(after=0, limit=9).entries == ()


def test_a_token_that_has_expired_ends_what_outlives_it(auth: AuthService) -> None:
    """The revocation of an expired token ends its ticket, which would live longer."""
    subject = token(auth)
    auth.clock.now += 500
    ticket = exchanged(auth, subject, ticket=json.dumps(TICKET))
    auth.clock.now += 461
    assert facts(auth, subject) == {"active": False}
    assert facts(auth, ticket)["active"]
    revoke(auth, subject)
    assert facts(auth, ticket) == {"active": False}


@pytest.mark.parametrize("text", ["x", "a.b.c", "x" * 10_000, "🦊", "\0"])
def test_unknown_tokens_are_answered_alike(auth: AuthService, text: str) -> None:
    """An unknown token is no error (section 2.2 of RFC 7009 and of RFC 7662)."""
    revoke(auth, text)
    assert facts(auth, text) == {"active": False}


def test_tokens_of_other_tenants_are_unknown(auth: AuthService) -> None:
    """A client cannot read or revoke a token of another tenant; an administrator's client can."""
    text, admin = token(auth), token(auth, "admin")
    login = of_other_tenant(auth)
    client = auth.app.test_client()
    reply = client.post("/auth/oauth/introspect", data={"token": text}, auth=login)
    assert reply.get_json() == {"active": False}
    assert client.post("/auth/oauth/revoke", data={"token": text}, auth=login).status_code == 200
    assert facts(auth, text)["active"]
    revoke(auth, admin)
    assert facts(auth, admin) == {"active": False}
    assert facts(auth, admin, client="admin")["active"]
    revoke(auth, text, client="admin")
    assert facts(auth, text) == {"active": False}


def test_tokens_of_suspended_tenants_and_disabled_clients_are_not_active(
    auth: AuthService,
) -> None:
    """Row 60: a token of a suspended tenant or a disabled client is inactive."""
    text = token(auth)
    auth.records.suspend("demo", act(tenant="demo"))
    assert facts(auth, text, client="admin") == {"active": False}
    auth.records.resume("demo", act(tenant="demo"))
    assert facts(auth, text, client="admin")["active"]
    auth.records.disable("demo", "wharf-demo", 1 << 40, act())
    assert facts(auth, text, client="admin") == {"active": False}


@pytest.mark.parametrize("what", ["revoke", "introspect"])
def test_strangers_are_told_nothing(auth: AuthService, what: str) -> None:
    """Row 64: a request with missing or wrong credentials gets 401 for any token."""
    client = auth.app.test_client()
    for login in (None, ("wharf-demo", "wrong"), ("nobody", "wrong")):
        reply = client.post(f"/auth/oauth/{what}", data={"token": token(auth)}, auth=login)
        refused(reply, 401, "invalid_client")
        assert reply.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("what", ["revoke", "introspect"])
def test_the_form_is_checked(auth: AuthService, what: str) -> None:
    """A request without a token, or with two, gets 400."""
    refused(ask(auth, what, ""), 400, "invalid_request")
    entry = auth.credentials["demo"]
    reply = auth.app.test_client().post(
        f"/auth/oauth/{what}",
        data="token=a&token=b",
        content_type="application/x-www-form-urlencoded",
        auth=(entry.client_id, entry.client_secret),
    )
    refused(reply, 400, "invalid_request")
    assert auth.app.test_client().get(f"/auth/oauth/{what}").status_code == 405


def test_a_persons_token_is_told_about(auth: AuthService) -> None:
    """Introspection of a person's token returns user name and session, and no `client_id`."""
    ada = logged_in(auth)
    found = facts(auth, ada.token)
    assert (found["active"], found["username"], found["sub"]) == (True, "ada", ada.id)
    assert "client_id" not in found
    assert found["sid"]


def test_a_revoked_refresh_token_ends_its_session(auth: AuthService) -> None:
    """The revocation of a refresh token ends its session with all tokens."""
    ada = logged_in(auth)
    refresh = ada.refresh_token()
    assert facts(auth, refresh) == {"active": False}
    login = of_other_tenant(auth)
    auth.app.test_client().post("/auth/oauth/revoke", data={"token": refresh}, auth=login)
    assert facts(auth, ada.token)["active"]
    revoke(auth, refresh)
    assert facts(auth, ada.token) == {"active": False}
    assert ada.refresh(refresh).status_code == 400
    last = auth.records.audit(after=0, limit=99)[-1].act
    assert (last.act, last.tenant, last.about, last.by.id) == (
        "sessions.end",
        "demo",
        ada.id,
        "wharf-demo",
    )
