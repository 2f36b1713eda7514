"""Token exchange with `audience=live`: tokens for the live channel, which open nothing else."""

from __future__ import annotations

import json

import pytest

from servicekit.tokens import MalformedToken, Principal, Verifier
from tests.servers.auth import ISSUER, AuthService, refused
from tests.servers.people import logged_in
from tests.unit.auth.test_open_routes import protected_routes
from tests.unit.auth.test_token_exchange import exchange, exchanged, token
from tests.unit.auth.test_token_status import facts, revoke
from wharf_auth.signing import KeyRing

PLACE = {"bucket": "photos", "prefix": ""}
HEARD = {"files:read", "files:write"}


def live(auth: AuthService, subject: str, **form: str) -> str:
    return exchanged(auth, subject, audience="live", **form)


def verified(auth: AuthService, text: str, audience: str = "live") -> Principal:
    """As the live channel sees it."""
    keys = KeyRing(auth.settings.keys_directory)
    return Verifier(keys, issuer=ISSUER, audience=audience, clock=auth.clock).verify(text)


def test_a_token_becomes_one_that_listens(auth: AuthService) -> None:
    """It is of the same subject, has the scopes that mean something to a listener, and lives
    15 minutes at most.
    """
    subject = token(auth)
    held = verified(auth, subject, "upload")
    assert held.scopes > HEARD
    seen = verified(auth, live(auth, subject))
    assert (seen.tenant, seen.subject) == ("demo", "wharf-demo")
    assert seen.scopes == HEARD
    assert (seen.session, seen.ticket) == (held.token_id, None)
    assert seen.token_id != held.token_id
    assert seen.expires_at == int(auth.clock()) + 900


@pytest.mark.parametrize("audience", ["upload", "auth"])
def test_no_other_service_takes_it(auth: AuthService, audience: str) -> None:
    """A person's token is good at both services; what listens with it is good at neither."""
    made = live(auth, logged_in(auth, role="owner").token)
    with pytest.raises(MalformedToken, match="another audience"):
        verified(auth, made, audience)


def test_no_route_of_auth_takes_it(auth: AuthService) -> None:
    """Every route that needs a token answers 401, as for a token of a stranger."""
    made = live(auth, logged_in(auth, role="owner").token)
    routes = protected_routes(auth)
    assert len(routes) > 20
    for method, path in routes:
        reply = auth.app.test_client().open(
            path, method=method, headers={"Authorization": f"Bearer {made}"}
        )
        assert (reply.status_code, reply.get_json()["type"]) == (401, "/problems/token-malformed")


def test_scopes_are_never_wider(auth: AuthService) -> None:
    """Fewer are given when asked for; one that the token lacks, or that says nothing to a
    listener, is refused, and so is a token that could hear nothing.
    """
    subject = token(auth)
    assert verified(auth, live(auth, subject, scope="files:read")).scopes == {"files:read"}
    narrow = exchanged(auth, subject, scope="files:write files:delete")
    assert verified(auth, live(auth, narrow)).scopes == {"files:write"}
    for scope in ("files:read", "files:delete", "tenants:admin"):
        refused(exchange(auth, narrow, audience="live", scope=scope), 400, "invalid_scope")
    deaf = exchanged(auth, subject, scope="files:delete")
    refused(exchange(auth, deaf, audience="live"), 400, "invalid_scope")


def test_it_never_outlives_its_token(auth: AuthService) -> None:
    """It ends with the token that it was made from; more than the setting is refused."""
    subject = token(auth)
    end = int(auth.clock()) + 900
    auth.clock.now += 800
    assert verified(auth, live(auth, subject)).expires_at == end
    assert verified(auth, live(auth, subject, expires_in="900")).expires_at == end
    assert verified(auth, live(auth, subject, expires_in="20")).expires_at == end - 80
    told = refused(
        exchange(auth, subject, audience="live", expires_in="901"), 400, "invalid_request"
    )
    assert "from 1 to 900" in told


def test_it_is_exchanged_for_nothing(auth: AuthService) -> None:
    """Neither for an ordinary token, nor a ticket, nor another that listens."""
    made = live(auth, token(auth))
    refused(exchange(auth, made), 400, "invalid_request")
    refused(exchange(auth, made, PLACE), 400, "invalid_request")
    refused(exchange(auth, made, audience="live"), 400, "invalid_request")


def test_tickets_do_not_listen(auth: AuthService) -> None:
    """No ticket becomes a token that listens, and none that listens carries a ticket."""
    subject = token(auth)
    ticket = exchanged(auth, subject, PLACE)
    refused(exchange(auth, ticket, audience="live"), 400, "invalid_request")
    refused(exchange(auth, subject, json.dumps(PLACE), audience="live"), 400, "invalid_request")


def test_it_ends_with_the_first_token(auth: AuthService) -> None:
    """Revoking a program's token ends it, also over a token in between; it ends alone as well."""
    subject = token(auth)
    direct, over = live(auth, subject), live(auth, exchanged(auth, subject))
    alone = live(auth, subject)
    assert facts(auth, direct)["active"]
    revoke(auth, alone)
    assert [facts(auth, one)["active"] for one in (alone, direct, subject)] == [False, True, True]
    revoke(auth, subject)
    assert [facts(auth, one) for one in (direct, over)] == [{"active": False}] * 2


def test_it_ends_with_the_session(auth: AuthService) -> None:
    """A person who logs out hears nothing any more."""
    person = logged_in(auth)
    made = live(auth, person.token)
    assert facts(auth, made)["active"]
    assert person.browser.post("/auth/logout").status_code == 204
    assert facts(auth, made) == {"active": False}


def test_introspection_tells_its_audience(auth: AuthService) -> None:
    """Whoever asks about tokens can tell it from one that opens the API."""
    subject = token(auth)
    assert facts(auth, live(auth, subject))["aud"] == "live"
    assert "aud" not in facts(auth, subject)


def test_other_audiences_are_refused(auth: AuthService) -> None:
    """The answer names those that there are."""
    told = refused(exchange(auth, token(auth), audience="auth"), 400, "invalid_target")
    assert "upload and live" in told
