"""Rate limits: the guard around their storage, and the limits."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from flask import Flask, g, request
from prometheus_client import REGISTRY

from servicekit import logs, metrics, web
from servicekit.problems import ProblemError
from servicekit.ratelimits import Amounts, RateLimits, RateLimitSettings
from servicekit.ratelimits.guarded import PAUSE_SECONDS, GuardedStorage
from servicekit.tokens import Principal
from tests.servers.redis import RedisServer


@pytest.fixture
def key() -> str:
    """Return a new key of a counter."""
    return f"TEST/{uuid4().hex}"


# the guard


def fallbacks() -> float:
    metrics.flush()
    return REGISTRY.get_sample_value("wharf_ratelimit_fallback_total") or 0.0


def test_redis_that_is_gone_is_replaced_by_the_process(redis_server: RedisServer, key: str) -> None:
    """Without Redis the process counts alone, and a metric counts these uses."""
    storage = GuardedStorage(inner=redis_server.url)
    assert storage.incr(key, 60) == 1
    before = fallbacks()
    redis_server.stop()
    try:
        assert [storage.incr(key, 60) for _ in range(3)] == [1, 2, 3]
        assert not storage.check()
    finally:
        redis_server.start()
    assert fallbacks() == before + 3


def test_frozen_redis_costs_one_short_wait(redis_server: RedisServer, key: str) -> None:
    """A frozen Redis delays the first request by less than half a second, and no later request."""
    storage = GuardedStorage(inner=redis_server.url)
    storage.incr(key, 60)
    redis_server.freeze()
    try:
        started = time.monotonic()
        storage.incr(key, 60)
        assert time.monotonic() - started < 0.5
        started = time.monotonic()
        for _ in range(100):
            storage.incr(key, 60)
        assert time.monotonic() - started < 0.1
    finally:
        redis_server.thaw()


def test_redis_is_used_again_after_a_pause(
    redis_server: RedisServer, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When Redis responds again after a while, all processes count together again."""
    storage = GuardedStorage(inner=redis_server.url)
    redis_server.stop()
    storage.incr(key, 60)
    redis_server.start()
    later = time.monotonic() + PAUSE_SECONDS
    monkeypatch.setattr("servicekit.ratelimits.guarded.time.monotonic", lambda: later)
    storage.incr(key, 60)
    assert GuardedStorage(inner=redis_server.url).get(key) == 1


# the limits


DEMO = Principal("demo", "c1", frozenset(), "jti", 0)


def limited_app(limits: RateLimits) -> Flask:
    app = Flask("test")
    web.install(app, logs.RequestLog("test"), None)

    @app.before_request
    def principal() -> None:
        if request.args:
            g.principal = Principal(request.args["t"], request.args["c"], frozenset(), "j", 0)

    limits.init_app(app)

    @app.get("/")
    def index() -> str:
        return "ok"

    return app


@pytest.fixture
def limits() -> RateLimits:
    """Return limits of 5 requests a minute for a client and 8 for its tenant."""
    return RateLimits(RateLimitSettings("memory://", 8, 5), lambda: g.get("principal"))


def statuses(app: Flask, query: str, number: int) -> list[int]:
    return [app.test_client().get(f"/?{query}").status_code for _ in range(number)]


def test_client_and_tenant_have_limits(limits: RateLimits) -> None:
    """A client is refused at its limit, and all clients of a tenant together
    at the tenant's limit.
    """
    app = limited_app(limits)
    assert statuses(app, "t=demo&c=a", 6) == [200] * 5 + [429]
    assert statuses(app, "t=demo&c=b", 4) == [200] * 3 + [429]
    assert statuses(app, "t=other&c=a", 5) == [200] * 5


def alike(of_tenant: int, of_client: int) -> RateLimits:
    """Return the same limits of requests and of 50 bytes for all tenants."""
    amounts = Amounts(of_tenant, of_client, tenant_bytes=50)
    settings = RateLimitSettings("memory://", 1, 1, amounts=lambda _: amounts)
    limits = RateLimits(settings, lambda: g.get("principal"))
    limited_app(limits)
    return limits


def client_of(tenant: str) -> Principal:
    """Return a client that has the same id in each tenant."""
    return Principal(tenant, "c1", frozenset(), "jti", 0)


TWINS = ("a-demo", "demo", "demo-z")


@pytest.mark.parametrize(("of_tenant", "of_client"), [(5, 100), (100, 5)])
def test_requests_of_twins_are_counted_apart(of_tenant: int, of_client: int) -> None:
    """Requests of a client do not count for a client with the same id in another tenant."""
    limits = alike(of_tenant, of_client)
    for tenant in TWINS:
        limits.charge(client_of(tenant))
        limits.count_more(tenant, "c1", 4)
        with pytest.raises(ProblemError):
            limits.charge(client_of(tenant))


def test_bytes_of_twins_are_counted_apart() -> None:
    """Bytes of a tenant do not count for another tenant, with and without a declared length."""
    for declared in (50, None):
        limits = alike(5, 5)
        for tenant in TWINS:
            limits.charge_bytes(client_of(tenant), declared)
            limits.count_bytes(client_of(tenant), 50 - (declared or 0))
            with pytest.raises(ProblemError):
                limits.charge_bytes(client_of(tenant), 1)


def test_what_was_taken_in_advance_is_for_no_twin() -> None:
    """A client at its limit gets no request that the process has reserved for another tenant."""
    limits = alike(3000, 3000)
    limits.charge(client_of("demo"))
    for tenant in (TWINS[0], TWINS[2]):
        limits.count_more(tenant, "c1", 3000)
        with pytest.raises(ProblemError):
            limits.charge(client_of(tenant))


def test_requests_without_a_principal_are_not_counted(limits: RateLimits) -> None:
    """Requests without a principal are not limited, because the gateway limits public routes."""
    assert statuses(limited_app(limits), "", 20) == [200] * 20


def test_hot_path_and_routes_count_together(limits: RateLimits) -> None:
    """Requests on the fast path and in Flask count for one limit."""
    app = limited_app(limits)
    for _ in range(3):
        limits.charge(DEMO)
    assert statuses(app, "t=demo&c=c1", 3) == [200, 200, 429]
    with pytest.raises(ProblemError):
        limits.charge(DEMO)


def test_refusal_says_when_to_come_back(limits: RateLimits) -> None:
    """A 429 has `Retry-After` and the RateLimit fields of the draft, on the fast
    path and in Flask.
    """
    app = limited_app(limits)
    for _ in range(5):
        limits.charge(DEMO)
    with pytest.raises(ProblemError) as caught:
        limits.charge(DEMO)
    reply = app.test_client().get("/?t=demo&c=c1")
    for headers in (dict(caught.value.headers), reply.headers):
        assert 1 <= int(headers["Retry-After"]) <= 60
        assert headers["RateLimit-Policy"] == '"client";q=5;w=60'
        assert headers["RateLimit"].startswith('"client";r=0;t=')
    assert reply.get_json()["violated_policies"] == ["client"]
