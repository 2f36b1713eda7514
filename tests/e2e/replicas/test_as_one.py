"""Two replicas that behave like one: a change at one replica applies at the other replica."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.e2e.replicas.conftest import Pair
from tests.e2e.test_links import link
from tests.e2e.test_revocation import make_client
from tests.servers.promised import LIMITS_SECONDS, LINK_KEY_SECONDS, holds
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer, Tenants, set_limits
from tests.servers.wharf.tus_client import Tus

_SECONDS = 60.0
_WAYS = [pytest.param(SMALL, id="in-memory"), pytest.param(LARGE, id="spooled")]


def at_once(*calls: Callable[[], Answer]) -> list[Answer]:
    """Send requests at the same moment, and return the responses."""
    barrier = threading.Barrier(len(calls))

    def go(call: Callable[[], Answer]) -> Answer:
        barrier.wait(_SECONDS)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(go, calls))


def statuses(answers: list[Answer]) -> list[int]:
    return sorted(answer.status for answer in answers)


def test_begun_at_the_same_moment(pair: Pair) -> None:
    """Two replicas that start together on empty data make one set of keys and credentials."""
    assert len(list((pair.a.data / "auth" / "keys").glob("*.pem"))) == 1
    demo = pair.a.credentials("demo")
    token = ApiClient(pair.a.port).login(demo["client_id"], demo["client_secret"]).json()
    at_b = ApiClient(pair.b.port, token["access_token"])
    assert at_b.login(demo["client_id"], demo["client_secret"]).status == 200
    assert at_b.put("hello", SMALL).status == 201


def test_apart(pair: Pair) -> None:
    """Each replica has a separate spool, and separate copies of keys and revocations."""
    for name in ("a", "b"):
        assert (pair.a.data / "spool" / name).is_dir()
        assert until((pair.a.data / "upload" / name / "revocations.jsonl").exists, _SECONDS)
        assert (pair.a.data / "upload" / name / "jwks.json").exists()
        assert until((pair.a.data / "replicas" / name).exists, _SECONDS)
    assert not (pair.a.data / "upload" / "upload.db").exists()


@pytest.mark.parametrize("content", _WAYS)
def test_what_one_stores(pair: Pair, content: bytes) -> None:
    """A file change at one replica is visible at the other when the client has its response."""
    a, b = pair.clients()
    a.stored("file", content)
    assert b.file("file").body == content
    assert b.listed() == ["file"]
    assert b.put("file", content + b"more").status in {200, 201, 204}
    assert a.file("file").body == content + b"more"
    assert a.used() == b.used() == (len(content) + 4, 1)
    assert b.delete("file").status == 204
    assert a.file("file").status == 404
    assert a.used() == (0, 0)


@pytest.mark.parametrize("content", _WAYS)
def test_one_idempotency_key(pair: Pair, content: bytes) -> None:
    """Of two equal requests to both replicas one stores a file, and the other gets a replay."""
    clients = pair.clients()
    once = {"Idempotency-Key": "k", "If-None-Match": "*"}
    answers = at_once(*(lambda c=c: c.put("file", content, once) for c in clients))
    assert statuses(answers) == [201, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [bool(answer.headers["Idempotent-Replayed"]) for answer in answers].count(True) == 1
    assert clients[0].used() == (len(content), 1)


def test_one_quota(pair: Pair) -> None:
    """Concurrent uploads at both replicas never exceed the tenant's quota."""
    a, b = pair.clients()
    assert set_limits(Signer(pair.a), a.tenant, max_bytes=3 * len(LARGE)).status == 200
    puts = [
        lambda client=client, number=number: client.put(f"{number}", LARGE)
        for number, client in enumerate((a, b) * 5)
    ]
    assert statuses(at_once(*puts)) == [201] * 3 + [507] * 7
    assert a.used() == (3 * len(LARGE), 3)


def test_one_count_of_a_ticket(pair: Pair) -> None:
    """A ticket for one file stores one file in total at both replicas."""
    a, b = pair.clients()
    rules = {"bucket": "default", "prefix": "in/", "max_files": 1}
    ticket = Signer(pair.a).token(tid=a.tenant, scope="files:write", ticket=rules)
    puts = [
        lambda client=client, number=number: client.using(ticket).put(f"in/{number}", SMALL)
        for number, client in enumerate((a, b) * 3)
    ]
    assert statuses(at_once(*puts)) == [201] + [403] * 5
    assert len(a.listed()) == 1


def count_together(pair: Pair) -> bool:
    """Tell whether a limit that is used up at one replica is used up at the other replica.

    The result is also False if a new minute begins during the attempt, or if a replica does not
    know the limit yet.
    """
    a, b = pair.clients()
    assert set_limits(Signer(pair.a), a.tenant, requests_per_minute=20).status == 200
    for client in (a, b):
        if not holds(lambda c=client: "q=20;" in _policy(c), LIMITS_SECONDS):
            return False
    used = [a.file("none").status for _ in range(21)]
    return used[-1] == b.file("none").status == 429


def _policy(client: ApiClient) -> str:
    return str(client.file("none").headers["RateLimit-Policy"])


def test_one_rate(pair: Pair) -> None:
    """Both replicas share one request count: a limit used up at one is used up at the other."""
    assert any(count_together(pair) for _ in range(3))


def test_limits_and_policies(pair: Pair) -> None:
    """A bucket's policy and a tenant's limits that are set at one replica apply at the other."""
    a, b = pair.clients()
    assert a.send_json("PUT", "/v1/buckets/small", {"max_file_bytes": 5}).status in {200, 201}
    assert b.put("file", SMALL, bucket="small").status == 413
    assert set_limits(Signer(pair.a), a.tenant, max_file_bytes=3).status == 200
    assert holds(lambda: b.put("file", b"1234").status == 413, LIMITS_SECONDS)


def test_links(pair: Pair) -> None:
    """Links of either replica work at both replicas, until one replica rotates the link key."""
    a, b = pair.clients()
    a.stored("file", LARGE)
    body = {"bucket": "default", "key": "file"}
    made = at_once(*(lambda c=c: c.send_json("POST", "/v1/links", body) for c in (a, b)))
    targets = [str(answer.json()["url"]) for answer in made]
    for client in (a.using(None), b.using(None)):
        assert [client.get(target).body for target in targets] == [LARGE, LARGE]
    assert a.request("POST", "/v1/links/rotate").status in {200, 204}
    for client in (a.using(None), b.using(None)):
        assert holds(lambda c=client: c.get(targets[0]).status == 404, LINK_KEY_SECONDS)
    # A rotation first deletes the rows of links. The other
    # replica may use the old key for two more seconds.
    new = link(a)
    assert holds(lambda: b.using(None).get(new).status == 200, LINK_KEY_SECONDS)


def test_revoked_at_one(pair: Pair, tenants: Tenants) -> None:
    """A token that is revoked at one replica is refused at the other replica within seconds."""
    client = make_client(tenants.admin, "revoked-at-one")
    at_b = pair.at_b(client.api)
    assert at_b.put("file", SMALL).status == 201
    client.revoke(str(client.api.token))
    assert holds(lambda: at_b.file("file").slug == "token-revoked")


def test_suspended_at_one(pair: Pair, tenants: Tenants) -> None:
    """A tenant that is suspended at one replica is refused at the other replica within seconds."""
    client = tenants.tenant()
    at_b = pair.at_b(client)
    at_b.stored("file")
    path = f"/auth/v1/tenants/{client.tenant}/suspend"
    assert tenants.admin.request("POST", path).status in {200, 204}
    assert holds(lambda: at_b.file("file").slug == "tenant-suspended")


def test_an_upload_at_both(pair: Pair) -> None:
    """A resumable upload whose connection breaks at one replica continues at the other replica."""
    a, b = (Tus(client) for client in pair.clients())
    content = os.urandom(6 << 20)
    address = a.created(len(content))
    a.cut(address, 0, len(content), content[: 4 << 20])
    offset = b.offset(address)
    assert offset > 0
    assert b.patch(address, offset, content[offset:]).status == 204
    assert a.offset(address) == len(content)
    assert a.api.file("tus.bin").body == content
    digest = a.api.file("tus.bin").headers["Repr-Digest"]
    assert digest == b.api.file("tus.bin").headers["Repr-Digest"]


def test_connections(pair: Pair) -> None:
    """Many concurrent requests open no more PostgreSQL connections than docs/scaling.md states.

    With one upload process, a replica has 31 connections for upload, 7 for live and 8 for auth.
    """
    a, b = pair.clients()
    address = Tus(a).created(100)
    calls = [
        call
        for client in (a, b)
        for call in (
            *[lambda c=client, n=n: c.put(f"{c.port}-{n}", SMALL) for n in range(20)],
            *[lambda c=client: Tus(c).head(address) for _ in range(10)],
            *[lambda c=client: Tus(c).create(1) for _ in range(10)],
            *[lambda c=client: c.login("nobody", "wrong" * 9) for _ in range(5)],
        )
    ]
    assert {answer.status for answer in at_once(*calls)} <= {200, 201, 401, 423, 429}
    with psycopg.connect(pair.database_url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        ).fetchone()
    assert found is not None
    assert 0 < found[0] <= 2 * (7 + 4 + 20 + 7) + 2 * 8
