"""Token exchange with `audience=live`: the token opens the live channel and no other service."""

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
    """Return the token's principal as the live channel verifies it."""
    keys = KeyRing(auth.settings.keys_directory)
    return Verifier(keys, issuer=ISSUER, audience=audience, clock=auth.clock).verify(text)


def test_a_token_becomes_one_that_listens(auth: AuthService) -> None:
    """A live token keeps its subject, has only scopes for listening, lives at most 15 minutes."""
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
    """Neither upload nor auth accepts a live token."""
    made = live(auth, logged_in(auth, role="owner").token)
    with pytest.raises(MalformedToken, match="another audience"):
        verified(auth, made, audience)


def test_no_route_of_auth_takes_it(auth: AuthService) -> None:
    """Each route of auth that needs a token refuses a live token with 401."""
    made = live(auth, logged_in(auth, role="owner").token)
    routes = protected_routes(auth)
    assert len(routes) > 20
    for method, path in routes:
        reply = auth.app.test_client().open(
            path, method=method, headers={"Authorization": f"Bearer {made}"}
        )
        assert (reply.status_code, reply.get_json()["type"]) == (401, "/problems/token-malformed")


def test_scopes_are_never_wider(auth: AuthService) -> None:
    """A live token has its source's scopes for listening. A source without such scopes is
    refused.
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
    """A live token expires no later than its source, and no later than the setting allows."""
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
    """A live token cannot be exchanged for an ordinary token, a ticket or another live token."""
    made = live(auth, token(auth))
    refused(exchange(auth, made), 400, "invalid_request")
    refused(exchange(auth, made, PLACE), 400, "invalid_request")
    refused(exchange(auth, made, audience="live"), 400, "invalid_request")


def test_tickets_do_not_listen(auth: AuthService) -> None:
    """A ticket cannot be exchanged for a live token, and a live token cannot carry a ticket."""
    subject = token(auth)
    ticket = exchanged(auth, subject, PLACE)
    refused(exchange(auth, ticket, audience="live"), 400, "invalid_request")
    refused(exchange(auth, subject, json.dumps(PLACE), audience="live"), 400, "invalid_request")


def test_it_ends_with_the_first_token(auth: AuthService) -> None:
    """The revocation of a token ends the live tokens that were made from the token or from a token
    that it was exchanged for.
    """
    subject = token(auth)
    direct, over = live(auth, subject), live(auth, exchanged(auth, subject))
    alone = live(auth, subject)
    assert facts(auth, direct)["active"]
    revoke(auth, alone)
    assert [facts(auth, one)["active"] for one in (alone, direct, subject)] == [False, True, True]
    revoke(auth, subject)
    assert [facts(auth, one) for one in (direct, over)] == [{"active": False}] * 2


def test_it_ends_with_the_session(auth: AuthService) -> None:
    """A logout ends the live tokens of the session."""
    person = logged_in(auth)
    made = live(auth, person.token)
    assert facts(auth, made)["active"]
    assert person.browser.post("/auth/logout").status_code == 204
    assert facts(auth, made) == {"active": False}


def test_introspection_tells_its_audience(auth: AuthService) -> None:
    """Introspection returns `aud: live` for a live token."""
    subject = token(auth)
    assert facts(auth, live(auth, subject))["aud"] == "live"
    assert "aud" not in facts(auth, subject)


def test_other_audiences_are_refused(auth: AuthService) -> None:
    """An exchange for an unknown audience is refused with the names of the valid audiences."""
    told = refused(exchange(auth, token(auth), audience="auth"), 400, "invalid_target")
    assert "upload and live" in told
