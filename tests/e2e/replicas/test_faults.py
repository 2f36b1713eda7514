"""Failures of Redis, of PostgreSQL, and of one of two replicas."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator

import pytest

from tests.e2e.replicas.conftest import Pair
from tests.e2e.replicas.test_as_one import count_together
from tests.e2e.test_links import link
from tests.servers.load import Load
from tests.servers.wharf.api_client import LARGE, SMALL
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tus_client import Tus

_SECONDS = 60.0


@pytest.fixture(autouse=True)
def mended(pair: Pair) -> Iterator[None]:
    """Wait until both replicas work again, because the next tests use them."""
    yield
    assert until(pair.is_whole, _SECONDS)


def test_redis_that_does_not_answer(pair: Pair) -> None:
    """Uploads and downloads work at both replicas while Redis is frozen or stopped.

    With Redis back both replicas share one request count again.
    """
    for client in pair.clients():
        client.stored("before")
    a, b = pair.clients()
    pair.redis.freeze()
    try:
        for client in (a, b):
            assert [client.put(f"{n}", SMALL).status for n in range(5)] == [201] * 5
            assert client.put("large", LARGE).status in {201, 200}
            for n in range(5):
                assert client.delete(f"{n}").status == 204
    finally:
        pair.redis.thaw()
    pair.redis.stop()
    try:
        for client in (a, b):
            assert client.put("gone", SMALL).status in {201, 200}
            assert client.file("large").body == LARGE
    finally:
        pair.redis.start()
    assert until(lambda: count_together(pair), _SECONDS)


def test_postgres_that_is_stopped(pair: Pair) -> None:
    """Without PostgreSQL both replicas respond with 503 and Retry-After.

    The replicas still serve recently used links. When PostgreSQL is back, both replicas work again
    without a restart.
    """
    a, b = pair.clients()
    a.stored("file", LARGE)
    target = link(a)
    for client in (a, b):
        assert client.using(None).get(target).body == LARGE
    pair.postgres.stop()
    try:
        for client in (a, b):
            answer = client.put("other", SMALL)
            assert answer.status == 503
            assert int(answer.header("Retry-After")) >= 1
            assert client.put("other", LARGE).status == 503
            assert Tus(client).create(5).status == 503
            assert client.using(None).get(target).body == LARGE
    finally:
        pair.postgres.start()
    for number, client in enumerate((a, b)):
        assert until(lambda c=client, n=number: c.put(f"after-{n}", SMALL).status == 201, _SECONDS)
    assert a.listed() == ["after-0", "after-1", "file"]
    assert b.used() == (len(LARGE) + 2 * len(SMALL), 3)


def test_one_stands_still(pair: Pair) -> None:
    """A replica that is stopped keeps its lease of an upload only for seconds.

    When the replica continues, the bytes that it then receives are in no file.
    """
    a, b = (Tus(client) for client in pair.clients())
    content = os.urandom(3 << 20)
    address = b.created(len(content))
    with b.begin(address, 0, len(content)) as writer:
        writer.sendall(content[: 2 << 20])
        part = pair.a.data / "resumable" / address.rpartition("/")[2]
        assert until(lambda: part.stat().st_size >= 1 << 20, _SECONDS)
        with pair.b.standing_still("upload"):
            assert until(lambda: a.head(address).status == 200, _SECONDS)
            offset = a.offset(address)
            assert offset >= 1 << 20
            assert a.patch(address, offset, content[offset:]).status == 204
            # These bytes differ from the file's bytes.
            writer.sendall(bytes(len(content) - (2 << 20)))
        assert until(lambda: b.head(address).status == 200, _SECONDS)
        writer.settimeout(_SECONDS)
        assert b" 204 " not in writer.recv(100)
    assert b.offset(address) == len(content)
    for client in (a.api, b.api):
        assert client.file("tus.bin").body == content
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert digest in a.api.file("tus.bin").header("Repr-Digest")
    assert a.api.used() == (len(content), 1)


def test_one_is_killed(pair: Pair) -> None:
    """After `kill -9` of one replica under load no acknowledged file is missing.

    The other replica continues the uploads within seconds, and the usage matches the files.
    """
    a, b = pair.clients()
    content = os.urandom(3 << 20)
    resumable = Tus(a), Tus(b)
    address = resumable[1].created(len(content))
    stalled = resumable[1].begin(address, 0, len(content))
    stalled.sendall(content[: 2 << 20])
    part = pair.a.data / "resumable" / address.rpartition("/")[2]
    assert until(lambda: part.stat().st_size >= 1 << 20, _SECONDS)
    turn = iter(range(10**9))

    def put(key: str, body: bytes) -> bool:
        client = (a, b)[next(turn) % 2]
        return client.put(key, body).status in {200, 201}

    load = Load(put, threads=4)
    load.run_until(20, then=pair.b.kill)
    stalled.close()
    try:
        go_on(resumable[0], address, content)
    finally:
        pair.start("b")
    there = {key: hashlib.sha256(a.file(key).body).hexdigest() for key in a.listed()}
    del there["tus.bin"]
    assert load.faults(there) == []
    sizes = [int(a.file(key).header("Content-Length")) for key in a.listed()]
    assert a.used() == (sum(sizes), len(sizes))


def go_on(tus: Tus, address: str, content: bytes) -> None:
    """Continue an upload at the other replica, and check that its file is complete."""
    # The lease of the killed replica expires after some seconds; until then HEAD returns 423.
    assert until(lambda: tus.head(address).status == 200, _SECONDS)
    offset = tus.offset(address)
    assert offset >= 1 << 20
    assert tus.patch(address, offset, content[offset:]).status == 204
    assert tus.api.file("tus.bin").body == content
