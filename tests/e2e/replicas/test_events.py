"""Events of one replica that listeners at the other replica receive."""

from __future__ import annotations

from redis import Redis

from tests.e2e.replicas.conftest import Pair
from tests.e2e.test_revocation import make_client
from tests.servers.wharf.live_client import SECONDS, Listener, kill_live, listening, recorded
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import ALL_SCOPES, Tenants
from tests.servers.wharf.tus_client import Tus

SCOPE = " ".join((*ALL_SCOPES, "events:read"))


def test_heard_at_the_other(pair: Pair) -> None:
    """Listeners at each replica get the events of both replicas once, in the order of the list.

    A `kill -9` of one live channel changes nothing.
    """
    a, b = pair.clients(scope=SCOPE)
    with listening(a, 0) as at_a, listening(b, 0) as at_b:
        for number in range(10):
            a.stored(f"a-{number}")
            b.stored(f"b-{number}")
            if number == 4:
                assert at_b.hears("a-4")
                kill_live(pair.b)
        for listener in (at_a, at_b):
            assert until(lambda one=listener: len(one.heard["event"]) >= 20, SECONDS)
            assert listener.heard["event"] == recorded(a)


def test_hints_go_by_redis(pair: Pair) -> None:
    """Progress of an upload is in no table; it reaches the other replica's listeners by Redis."""
    with Redis.from_url(pair.redis.url.removeprefix("redis+")) as redis:
        assert until(lambda: redis.pubsub_numsub("wharf.notices")[0][1] >= 2, SECONDS)
    a, b = pair.clients(scope=SCOPE)
    tus, pieces = Tus(a), iter(range(1000))
    with listening(b) as at_b:
        address = tus.created(1000, key="parts")

        def heard() -> bool:
            """Send a byte, and tell whether the listener has received any progress."""
            assert tus.patch(address, next(pieces), b"x").status == 204
            return bool(at_b.heard["progress"])

        assert until(heard, SECONDS)
        assert at_b.heard["progress"][-1]["key"] == "parts"


def test_revoked_at_the_other(pair: Pair, tenants: Tenants) -> None:
    """A token that is revoked at one replica ends its live connections at the other replica."""
    client = make_client(tenants.admin, "live-revoked-at-one")
    with listening(pair.at_b(client.api)) as at_b:
        client.revoke(str(client.api.token))
        assert at_b.farewell() == "token-revoked"


def test_no_polling_without_stickiness(pair: Pair) -> None:
    """The live channel of several replicas refuses polling: polls may reach other replicas."""
    a, _ = pair.clients(scope=SCOPE)
    listener = Listener(a.port, a.token).connect("polling")
    assert not listener.client.connected
