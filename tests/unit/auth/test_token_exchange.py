"""`POST /auth/oauth/token` with the grant of RFC 8693: narrower tokens, and upload tickets."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from werkzeug.test import TestResponse

from servicekit.tickets import Ticket
from servicekit.tokens import Principal, Verifier
from tests.servers.auth import ISSUER, TOKEN, AuthService, act, refused
from tests.servers.people import logged_in
from wharf_auth.domain import tokens
from wharf_auth.routes.grants.token_exchange import ACCESS_TOKEN, NAME
from wharf_auth.signing import KeyRing

# Less than a session's idle time.
PAUSE_SECONDS = 600_000
PHOTOS = {"bucket": "photos", "prefix": "2026/", "max_file_bytes": 5_000_000, "max_files": 3}


def token(auth: AuthService, client: str = "demo", scope: str = "") -> str:
    return str(auth.post_token({"scope": scope}, client=client).get_json()["access_token"])


def exchange(auth: AuthService, subject: str, ticket: object = None, **form: str) -> TestResponse:
    """Send an exchange without client authentication."""
    fields = {
        "grant_type": NAME,
        "subject_token": subject,
        "subject_token_type": ACCESS_TOKEN,
        **({} if ticket is None else {"ticket": _json(ticket)}),
        **form,
    }
    return auth.app.test_client().post(TOKEN, data=fields)


def _json(ticket: object) -> str:
    return ticket if isinstance(ticket, str) else json.dumps(ticket)


def exchanged(auth: AuthService, subject: str, ticket: object = None, **form: str) -> str:
    reply = exchange(auth, subject, ticket, **form)
    assert reply.status_code == 200, reply.get_data()
    return str(reply.get_json()["access_token"])


def verified(auth: AuthService, text: str) -> Principal:
    """Return the token's principal as upload verifies it."""
    keys = KeyRing(auth.settings.keys_directory)
    return Verifier(keys, issuer=ISSUER, audience="upload", clock=auth.clock).verify(text)


def test_a_token_becomes_an_upload_ticket(auth: AuthService) -> None:
    """An exchange for a ticket gets the response of RFC 8693 and a claim with the wanted rules."""
    reply = exchange(auth, token(auth), PHOTOS, expires_in="600")
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    body = reply.get_json()
    assert {**body, "access_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 600,
        "scope": "files:write",
        "issued_token_type": ACCESS_TOKEN,
    }
    seen = verified(auth, body["access_token"])
    assert seen.scopes == {"files:write"}
    assert (seen.tenant, seen.subject) == ("demo", "wharf-demo")
    assert seen.expires_at == int(auth.clock()) + 600
    assert seen.ticket == Ticket(
        bucket="photos", prefix="2026/", max_file_bytes=5_000_000, max_files=3
    )


def test_a_ticket_of_an_administrator_opens_no_tenants(auth: AuthService) -> None:
    """A ticket from an administrator's token allows only uploads, so auth refuses it."""
    made = exchanged(auth, token(auth, "admin"), PHOTOS)
    reply = auth.app.test_client().get(
        "/auth/v1/tenants", headers={"Authorization": f"Bearer {made}"}
    )
    assert reply.status_code == 401


def test_narrowing_without_a_ticket(auth: AuthService) -> None:
    """An exchange can reduce scopes and lifetime, and refuses scopes that the source lacks."""
    subject = token(auth)
    seen = verified(auth, exchanged(auth, subject, scope="files:read", expires_in="60"))
    assert seen.scopes == {"files:read"}
    assert seen.ticket is None
    assert seen.expires_at == int(auth.clock()) + 60
    narrow = exchanged(auth, subject, scope="files:read")
    refused(exchange(auth, narrow, scope="files:read files:write"), 400, "invalid_scope")
    refused(exchange(auth, narrow, PHOTOS), 400, "invalid_scope")


def test_only_a_first_ticket_outlives_its_token(auth: AuthService) -> None:
    """Only the ticket of an original token lives longer than its source."""
    subject = token(auth)
    end = int(auth.clock()) + 900
    auth.clock.now += 800
    assert verified(auth, exchanged(auth, subject, expires_in="3600")).expires_at == end
    ticket = exchanged(auth, subject, PHOTOS, expires_in="3600")
    assert verified(auth, ticket).expires_at == int(auth.clock()) + 3600
    auth.clock.now += 1000
    narrower = exchanged(auth, ticket, {**PHOTOS, "max_files": 1}, expires_in="3600")
    assert verified(auth, narrower).expires_at == verified(auth, ticket).expires_at
    refused(exchange(auth, subject, PHOTOS), 400, "invalid_request")


def test_a_narrowed_token_makes_nothing_that_outlives_it(auth: AuthService) -> None:
    """A token that was narrowed to ten seconds gives a ticket of at most ten seconds."""
    for subject in (token(auth), logged_in(auth).token):
        narrow = exchanged(auth, subject, expires_in="10")
        for made in (
            exchange(auth, narrow, PHOTOS, expires_in="3600"),
            exchange(auth, exchanged(auth, narrow), PHOTOS),
            exchange(auth, narrow, audience="live"),
        ):
            assert made.get_json()["expires_in"] == 10


def test_a_persons_ticket_ends_with_the_session(auth: AuthService) -> None:
    """A person's ticket may live longer than the access token but not longer than the session."""
    ada = logged_in(auth)
    end = ada.call("GET", "/me").get_json()["session"]["expires_at"]
    longest = int(auth.clock()) + auth.settings.ticket_ttl_seconds
    assert verified(auth, exchanged(auth, ada.token, PHOTOS, expires_in="3600")).expires_at == (
        longest
    )
    last = int(datetime.fromisoformat(end).timestamp())
    while auth.clock() < last - 600:
        auth.clock.now = min(auth.clock() + PAUSE_SECONDS, last - 600)
        assert ada.refresh().status_code == 200
    made = verified(auth, exchanged(auth, ada.token, PHOTOS, expires_in="3600"))
    assert made.expires_at == last


def test_tokens_of_a_release_that_named_no_parents(auth: AuthService) -> None:
    """A ticket from an exchanged token of a release without `parents` expires with this token.

    If the source is a ticket of that release, the same rule applies.
    """
    now = int(auth.clock())
    keys = KeyRing(auth.settings.keys_directory)
    old = tokens.claims(
        issuer=ISSUER,
        tenant="demo",
        subject="wharf-demo",
        scopes=("files:write",),
        now=now,
        ttl_seconds=10,
    )
    narrow = keys.sign({**old, "sid": "the-first"})
    ticket = keys.sign({**old, "sid": "the-first", "ticket": PHOTOS})
    ada = logged_in(auth)
    session = verified(auth, ada.token).session
    persons = keys.sign({**old, "sub": ada.id, "sid": session})
    for subject in (narrow, ticket, persons):
        made = verified(auth, exchanged(auth, subject, PHOTOS, expires_in="3600"))
        assert made.expires_at == now + 10


def test_an_exchanged_token_changes_no_accounts(auth: AuthService) -> None:
    """An exchanged administrator's token can read accounts but cannot create any."""
    narrow = exchanged(auth, token(auth, "admin"), expires_in="10", scope="tenants:admin")
    headers = {"Authorization": f"Bearer {narrow}"}
    caller = auth.app.test_client()
    places = [
        ("/auth/v1/tenants", {"tenant": "acme"}),
        ("/auth/v1/tenants/demo/clients", {"name": "x", "scopes": ["files:read"]}),
        ("/auth/v1/tenants/demo/users", {"username": "eve", "role": "owner"}),
    ]
    for place, body in places:
        assert caller.get(place, headers=headers).status_code == 200
        reply = caller.post(place, json=body, headers=headers)
        assert (reply.status_code, reply.get_json()["type"]) == (
            403,
            "/problems/insufficient-scope",
        )
        assert auth.admin("POST", place.removeprefix("/auth/v1"), json=body).status_code == 201


@pytest.mark.parametrize("text", ["0", "-1", "3601", "1e3", "٣", "9" * 50, "60.0", "x"])
def test_a_life_is_a_number_within_the_setting(auth: AuthService, text: str) -> None:
    """A lifetime that is malformed, less than 1 second, or longer than the setting is refused."""
    told = refused(exchange(auth, token(auth), PHOTOS, expires_in=text), 400, "invalid_request")
    assert "from 1 to 3600" in told


@pytest.mark.parametrize(
    "wider",
    [
        {"bucket": "papers"},
        {"prefix": ""},
        {"prefix": "2025/"},
        {"prefix": None, "key": "2025/x"},
        {"max_files": 4},
        {"max_file_bytes": 5_000_001},
        {"redirect": ["https://evil.example/"]},
    ],
)
def test_a_ticket_is_never_widened(auth: AuthService, wider: dict[str, Any]) -> None:
    """Row 77: exchanging a ticket for a wider one is refused."""
    ticket = exchanged(auth, token(auth), PHOTOS)
    refused(exchange(auth, ticket, {**PHOTOS, **wider}), 400, "invalid_request")


def test_a_ticket_stays_one(auth: AuthService) -> None:
    """An exchanged ticket keeps its rules and its id. Uploads are counted by this id."""
    ticket = exchanged(auth, token(auth), PHOTOS)
    again = exchanged(auth, ticket, {"bucket": "photos"})
    bare = exchanged(auth, ticket)
    first = verified(auth, ticket)
    for other in (again, bare):
        seen = verified(auth, other)
        assert (seen.ticket, seen.token_id) == (first.ticket, first.token_id)


def test_a_ticket_is_no_credential_here(auth: AuthService) -> None:
    """A ticket cannot be exchanged for a token with another scope."""
    ticket = exchanged(auth, token(auth), PHOTOS)
    refused(exchange(auth, ticket, scope="files:read"), 400, "invalid_scope")


@pytest.mark.parametrize("change", ["expired", "foreign", "nonsense", "missing"])
def test_bad_subject_tokens_are_refused(auth: AuthService, change: str) -> None:
    """An expired, changed or missing subject token is refused and not repeated in the message."""
    subject = token(auth)
    if change == "expired":
        auth.clock.now += 900 + 61
    elif change == "foreign":
        subject = subject[:-8] + "AAAAAAAA"
    else:
        subject = "x" if change == "nonsense" else ""
    told = refused(exchange(auth, subject, PHOTOS), 400, "invalid_request")
    assert subject[-20:] not in told or subject in {"x", ""}


def test_ended_subjects_get_no_tickets(auth: AuthService) -> None:
    """A token of a disabled client or of a suspended tenant cannot be exchanged."""
    subject = token(auth)
    auth.records.suspend("demo", act(tenant="demo"))
    refused(exchange(auth, subject, PHOTOS), 400, "invalid_request")
    auth.records.resume("demo", act(tenant="demo"))
    exchanged(auth, subject, PHOTOS)
    auth.records.disable("demo", "wharf-demo", 1 << 40, act())
    refused(exchange(auth, subject, PHOTOS), 400, "invalid_request")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ({"subject_token_type": ""}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"audience": "auth"}, "invalid_target"),
        ({"resource": "https://a.example/"}, "invalid_target"),
        ({"scope": "files:read"}, "invalid_scope"),
        ({"ticket": "{"}, "invalid_request"),
    ],
)
def test_what_is_not_offered_is_said(auth: AuthService, form: dict[str, str], error: str) -> None:
    """A parameter that auth does not support is refused, not ignored."""
    fields: dict[str, Any] = {"ticket": PHOTOS, **form}
    refused(exchange(auth, token(auth), **fields), 400, error)


def test_a_client_may_prove_itself_as_well(auth: AuthService) -> None:
    """An exchange may also authenticate a client. The client's credentials must be right, and of
    the same tenant as the exchanged token.
    """
    fields = {
        "grant_type": NAME,
        "subject_token": token(auth),
        "subject_token_type": ACCESS_TOKEN,
        "ticket": json.dumps(PHOTOS),
    }
    assert auth.post_token(fields).status_code == 200
    refused(auth.post_token(fields, secret="wrong"), 401, "invalid_client")
    refused(auth.post_token(fields, client="admin"), 400, "unauthorized_client")


def test_a_ticket_that_nobody_could_verify_is_not_made(auth: AuthService) -> None:
    """A ticket of more than 8 KiB is refused, because no verifier would accept it."""
    redirects = [f"https://a.example/{number}/{'x' * 900}" for number in range(10)]
    told = refused(
        exchange(auth, token(auth), {**PHOTOS, "redirect": redirects}), 400, "invalid_request"
    )
    assert "too long" in told


def test_scopes_of_a_newer_release(auth: AuthService) -> None:
    """An exchange drops a scope that only a newer release knows, and keeps all other scopes."""
    now = int(auth.clock())
    claims = tokens.claims(
        issuer=ISSUER,
        tenant="demo",
        subject="wharf-demo",
        scopes=("next:write", "files:write", "files:read"),
        now=now,
        ttl_seconds=900,
    )
    held = KeyRing(auth.settings.keys_directory).sign(claims)
    assert verified(auth, exchanged(auth, held)).scopes == {"files:read", "files:write"}
    assert exchange(auth, held, scope="next:write").get_json()["error"] == "invalid_scope"
