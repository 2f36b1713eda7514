"""The contract of the storages of rate limits, and the limits on top of them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from flask import Flask, g, request
from limits.storage import storage_from_string

from servicekit import logs, web
from servicekit.problems import ProblemError
from servicekit.ratelimits import RateLimits, RateLimitSettings
from servicekit.ratelimits.guarded import FALLBACKS, PAUSE_SECONDS, GuardedStorage
from servicekit.tokens import Principal
from tests.servers import uwsgi
from tests.servers.redis import RedisServer

HERE = Path(__file__).parent
# Two workers, to see that they count together; a small cache, to see it overflow.
ARGUMENTS = [
    *("--socket", "{socket}", "--master", "--need-app", "--lazy-apps", "--enable-threads"),
    *("--processes", "2", "--threads", "2", "--module", "counting_app:application"),
    *("--pythonpath", str(HERE), "--disable-logging"),
    *("--cache2", "name=limits,items=256,blocksize=32,keysize=256,hashsize=256,purge_lru=1"),
]


@pytest.fixture(scope="module")
def counting() -> Iterator[uwsgi.Uwsgi]:
    """uWSGI with `counting_app.py` in two workers."""
    with uwsgi.running(ARGUMENTS, {}) as server:
        server.wait_until_ready("spawned uWSGI worker 2")
        yield server


class RemoteStorage:
    """The storage inside uWSGI, called over its socket."""

    def __init__(self, server: uwsgi.Uwsgi) -> None:
        self._server = server
        self.workers: set[int] = set()

    def _call(self, name: str, **arguments: object) -> object:
        reply = uwsgi.request(self._server.socket, "GET", f"/storage/{name}?{urlencode(arguments)}")
        assert reply.status == 200, self._server.log
        worker, answer = json.loads(reply.body)
        self.workers.add(worker)
        return answer

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return int(str(self._call("incr", key=key, expiry=expiry, amount=amount)))

    def get(self, key: str) -> int:
        return int(str(self._call("get", key=key)))

    def get_expiry(self, key: str) -> float:
        return float(str(self._call("get_expiry", key=key)))

    def check(self) -> bool:
        return bool(self._call("check"))

    def reset(self) -> None:
        self._call("reset")

    def clear(self, key: str) -> None:
        self._call("clear", key=key)


AnyStorage = RemoteStorage | GuardedStorage


@pytest.fixture(params=["memory", "guarded-memory", "redis", "guarded-redis", "uwsgi-cache"])
def storage(request: pytest.FixtureRequest) -> AnyStorage:
    """Each storage that Wharf can count in."""
    kind = request.param
    if kind == "uwsgi-cache":
        return RemoteStorage(request.getfixturevalue("counting"))
    inner = request.getfixturevalue("redis_url") if "redis" in kind else "memory://"
    if kind.startswith("guarded"):
        return GuardedStorage(inner=inner)
    return storage_from_string(inner)  # type: ignore[return-value]


@pytest.fixture
def key() -> str:
    """A counter of the test's own."""
    return f"TEST/{uuid4().hex}"


def test_counter_counts(storage: AnyStorage, key: str) -> None:
    """Each use adds; an unused counter is 0."""
    assert storage.get(key) == 0
    assert [storage.incr(key, 60) for _ in range(3)] == [1, 2, 3]
    assert storage.incr(key, 60, 5) == 8
    assert storage.get(key) == 8


def test_counters_are_apart(storage: AnyStorage, key: str) -> None:
    """One key does not count for another."""
    storage.incr(key, 60)
    assert storage.get(f"{key}x") == 0


def test_counter_ends_with_its_window(storage: AnyStorage, key: str) -> None:
    """A window begins with the first use and is not made longer by later ones."""
    storage.incr(key, 2)
    end = storage.get_expiry(key)
    assert time.time() < end <= time.time() + 2.1
    time.sleep(1)
    assert storage.incr(key, 2) == 2
    assert abs(storage.get_expiry(key) - end) < 0.3
    time.sleep(1.3)
    assert storage.get(key) == 0
    assert storage.incr(key, 2) == 1


def test_unused_counter_ends_now(storage: AnyStorage, key: str) -> None:
    """There is nothing to wait for."""
    assert abs(storage.get_expiry(key) - time.time()) < 1.5


def test_one_counter_can_be_forgotten(storage: AnyStorage, key: str) -> None:
    """`clear` forgets one and leaves the others."""
    storage.incr(key, 60)
    storage.incr(f"{key}x", 60)
    storage.clear(key)
    storage.clear(f"{key}y")
    assert (storage.get(key), storage.get(f"{key}x")) == (0, 1)


def test_storage_answers(storage: AnyStorage) -> None:
    """A healthy storage says so."""
    assert storage.check()


def test_all_counters_can_be_forgotten(storage: AnyStorage, key: str) -> None:
    """`reset` forgets all."""
    storage.incr(key, 60)
    storage.reset()
    assert storage.get(key) == 0


def test_nothing_is_lost_between_threads(storage: AnyStorage, key: str) -> None:
    """Many at once: every use is counted exactly once."""
    counts: list[int] = []

    def work() -> None:
        counts.extend(storage.incr(key, 60) for _ in range(25))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == list(range(1, 101))


# uWSGI's cache alone


def test_workers_count_together(counting: uwsgi.Uwsgi) -> None:
    """Two workers give no more than one: 10 of 40 requests at once pass (security.md 73)."""
    workers: set[bytes] = set()
    statuses: list[int] = []

    def work() -> None:
        for _ in range(10):
            reply = uwsgi.request(counting.socket, "GET", "/limited?tenant=together")
            statuses.append(reply.status)
            if reply.status == 200:
                workers.add(reply.body)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == 10
    assert statuses.count(429) == 30
    seen = RemoteStorage(counting)
    while len(seen.workers) < 2:
        seen.check()
    assert len(workers) >= 1


def test_full_cache_gives_up_the_oldest(counting: uwsgi.Uwsgi, key: str) -> None:
    """A flood of counters does not end the counting: the new ones are kept."""
    storage = RemoteStorage(counting)
    for number in range(300):
        assert storage.incr(f"{key}/{number}", 60) == 1
    assert storage.incr(f"{key}/299", 60) == 2
    storage.reset()


def test_overlong_keys_are_an_error_not_a_pass(counting: uwsgi.Uwsgi) -> None:
    """A counter that the cache cannot hold is an exception, for the caller to judge."""
    reply = uwsgi.request(counting.socket, "GET", f"/storage/incr?key={'x' * 1000}&expiry=60")
    assert reply.status == 500


# the guard


def fallbacks() -> float:
    return float(FALLBACKS._value.get())


def test_redis_that_is_gone_is_replaced_by_the_process(redis_server: RedisServer, key: str) -> None:
    """Without Redis the process counts on its own, and it is seen in a metric."""
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
    """No request waits more than half a second, and only the first one at all."""
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
    """Once Redis answers again, all processes count together again."""
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
    """5 requests a minute for a client, 8 for its tenant."""
    return RateLimits(RateLimitSettings("memory://", 8, 5), lambda: g.get("principal"))


def statuses(app: Flask, query: str, number: int) -> list[int]:
    return [app.test_client().get(f"/?{query}").status_code for _ in range(number)]


def test_client_and_tenant_have_limits(limits: RateLimits) -> None:
    """A client is stopped at its limit, all clients of a tenant together at theirs."""
    app = limited_app(limits)
    assert statuses(app, "t=demo&c=a", 6) == [200] * 5 + [429]
    assert statuses(app, "t=demo&c=b", 4) == [200] * 3 + [429]
    assert statuses(app, "t=other&c=a", 5) == [200] * 5


def test_requests_without_a_principal_are_not_counted(limits: RateLimits) -> None:
    """Public routes are the gateway's business."""
    assert statuses(limited_app(limits), "", 20) == [200] * 20


def test_hot_path_and_routes_count_together(limits: RateLimits) -> None:
    """Requests below Flask and in Flask use up one limit, not one each."""
    app = limited_app(limits)
    for _ in range(3):
        limits.charge(DEMO)
    assert statuses(app, "t=demo&c=c1", 3) == [200, 200, 429]
    with pytest.raises(ProblemError):
        limits.charge(DEMO)


def test_refusal_says_when_to_come_back(limits: RateLimits) -> None:
    """429 with `Retry-After` and the RateLimit fields of the draft, in both ways."""
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
