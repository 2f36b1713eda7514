"""Live connections that the channel ends or refuses."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.e2e.test_revocation import make_client
from tests.servers.wharf import people
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.live_client import (
    SECONDS,
    Listener,
    Stream,
    listening,
    slug,
)
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer, Tenants

LISTENS = "events:read"
_ORIGIN = "https://app.example"


def test_a_session_that_ends(tenants: Tenants) -> None:
    """A person's logout ends the live connection, and a stock client cannot reconnect."""
    person = people.make(tenants.admin, tenants.tenant().tenant)
    assert person.login().status == 200
    with listening(person.api) as listener:
        assert person.logout().status == 204
        assert listener.farewell() == "token-revoked"
        assert Listener(person.api.port, person.api.token).connect().refusal == "token-revoked"


def test_a_client_that_is_disabled(tenants: Tenants) -> None:
    """Disabling a client ends its live connections, but not the connections of another client."""
    client = make_client(tenants.admin, "live-disabled")
    other = tenants.client(client.api.tenant)
    with listening(client.api) as gone, listening(other) as stays:
        target = f"/auth/v1/tenants/{client.api.tenant}/clients/{client.id}"
        assert tenants.admin.request("DELETE", target).status == 204
        assert gone.farewell() == "token-revoked"
        other.stored("still.txt")
        assert stays.hears("still.txt")


def test_a_tenant_that_is_suspended(tenants: Tenants) -> None:
    """Suspending a tenant ends its Socket.IO connections and streams, and prevents new ones."""
    client = tenants.tenant()
    path = f"/auth/v1/tenants/{client.tenant}/suspend"
    with listening(client) as listener, Stream(client) as stream:
        client.stored("there.txt")
        assert listener.hears("there.txt")
        assert tenants.admin.request("POST", path).status == 204
        assert listener.farewell() == "tenant-suspended"
        *_, (_, name, document) = stream.events()
    assert (name, slug(document["problem"])) == ("bye", "tenant-suspended")
    assert Listener(client.port, client.token).connect().refusal == "tenant-suspended"


def test_a_token_of_another_tenant(api: ApiClient, signer: Signer) -> None:
    """A connection ends if it renews its token with a token of another tenant or client."""
    subject: dict[str, Any] = {"tid": api.tenant, "scope": LISTENS, "sub": "one-and-the-same"}
    strangers = [{**subject, "tid": "another-tenant"}, {**subject, "sub": "another"}]
    for stranger in strangers:
        with listening(signer.client(**subject)) as listener:
            message = {"op": "token", "token": signer.token(**stranger)}
            listener.client.emit("msg", message)
            assert listener.farewell() == "forbidden"


def test_a_token_that_expires(api: ApiClient, signer: Signer) -> None:
    """A connection ends when its token expires, unless the client has renewed the token before."""
    subject: dict[str, Any] = {"tid": api.tenant, "scope": LISTENS, "sub": "one-and-the-same"}
    # Six seconds are enough for two handshakes on a busy machine.
    soon = int(time.time()) + 6
    old = signer.client(**subject, exp=soon)
    with listening(old) as renewed, listening(old) as ends:
        message = {"op": "token", "token": signer.token(**subject)}
        assert renewed.says("msg", message) == {"ok": True, "op": "token"}
        assert ends.farewell() == "token-expired"
        assert time.time() >= soon
        api.stored("later.txt")
        assert renewed.hears("later.txt")
    assert Listener(api.port, old.token).connect().refusal == "token-expired"


@pytest.mark.parametrize(
    ("token", "problem"),
    [(None, "token-missing"), ("", "token-missing"), ("x.y.z", "token-malformed")],
)
def test_without_a_good_token(wharf: Wharf, token: str | None, problem: str) -> None:
    """A connection without a token or with a malformed token is refused."""
    listener = Listener(wharf.port, token).connect()
    assert listener.refusal == problem
    assert not listener.client.connected


def test_tokens_in_addresses_and_cookies(api: ApiClient) -> None:
    """A token in an address or a cookie is refused.

    Logs contain addresses, and browsers send cookies with requests of any page.
    """
    anyone, stream = api.using(None), {"Accept": "text/event-stream"}
    for fields in (stream, {**stream, "Cookie": f"token={api.token}; access_token={api.token}"}):
        anyone.get("/v1/events", fields).problem(401, "token-missing")
    assert anyone.get(f"/v1/events?access_token={api.token}", stream).status in {400, 401}
    listener = Listener(api.port, None).connect(headers={"Cookie": f"token={api.token}"})
    assert listener.refusal == "token-missing"


def test_origins(api: ApiClient) -> None:
    """Socket.IO and streams refuse a page of another site, unless a bucket lists its origin."""
    stream = {"Origin": _ORIGIN, "Accept": "text/event-stream"}

    def let_in(transport: str) -> bool:
        page = Listener(api.port, api.token, origin=_ORIGIN)
        return page.connect(transport).was_let_in()

    assert not let_in("websocket")
    assert not let_in("polling")
    api.get("/v1/events", stream).problem(403, "forbidden")
    rules = {"cors_origins": [_ORIGIN]}
    assert api.send_json("PUT", "/v1/buckets/pages", rules).status == 201
    assert until(lambda: let_in("websocket"), SECONDS)
    assert let_in("polling")
    with Stream(api, "/v1/events?after=0", Origin=_ORIGIN) as allowed:
        api.stored("for-pages.txt")
        assert next(allowed.events())[1] == "event"
    own = Listener(api.port, api.token, origin=f"http://127.0.0.1:{api.port}")
    assert own.connect().was_let_in()
