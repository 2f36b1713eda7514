"""Events through the gateway: each permitted listener gets each event once, despite failures."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.servers.wharf.api_client import SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.live_client import (
    SECONDS,
    Listener,
    kill_live,
    listening,
    recorded,
)
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import ALL_SCOPES, Signer
from tests.servers.wharf.tus_client import Tus
from wharf_upload.http.event_cursors import cursor_of

LISTENS = "events:read"
# The bytes of one send. A client that sends so much 50 times a second exceeds the minimum rate.
_PIECE = 8192


def test_every_event_once_and_in_order(wharf: Wharf, api: ApiClient) -> None:
    """A stock client gets each event once, in the order of `GET /v1/events`, despite `kill -9`."""
    with listening(api, 0) as listener:
        for number in range(30):
            api.stored(f"{number}.txt")
            if number in {8, 18}:
                assert listener.hears(f"{number}.txt")
                kill_live(wharf)
        api.delete("0.txt")
        assert until(lambda: len(listener.heard["event"]) >= 31, SECONDS)
        assert listener.heard["event"] == recorded(api)
        assert not listener.heard["resync"]


def test_after_and_from_now_on(api: ApiClient) -> None:
    """With `after` a client gets all events after that event, and otherwise only new events."""
    for number in range(3):
        api.stored(f"{number}.txt")
    first, *others = recorded(api)
    with listening(api, first["id"]) as after, listening(api) as now:
        assert until(lambda: after.heard["event"] == others, SECONDS)
        api.stored("new.txt")
        assert now.hears("new.txt")
        assert after.hears("new.txt")
        assert now.keys() == ["new.txt"]


def test_a_cursor_of_another_database(api: ApiClient) -> None:
    """A client with an unknown cursor is asked to resync, and receives all further events."""
    api.stored("old.txt")
    with listening(api, cursor_of(api.tenant, 1 << 62)) as listener:
        assert until(lambda: listener.heard["resync"], SECONDS)
        assert listener.heard["resync"] == [{"after": recorded(api)[-1]["id"]}]
        api.stored("new.txt")
        assert listener.hears("new.txt")
        assert listener.keys() == ["new.txt"]


def test_polling(api: ApiClient) -> None:
    """A stock client receives the same events by HTTP long-polling."""
    with listening(api, 0, "polling") as listener:
        assert listener.client.transport() == "polling"
        api.stored("polled.txt")
        assert listener.hears("polled.txt")
        assert listener.heard["event"] == recorded(api)


def test_other_tenants_hear_nothing(api: ApiClient, signer: Signer) -> None:
    """A tenant's events reach only listeners of that tenant."""
    other = signer.client(scope=" ".join((*ALL_SCOPES, LISTENS)))
    with listening(other, 0) as listener, listening(api, 0) as own:
        api.stored("secret.txt")
        assert own.hears("secret.txt")
        other.stored("own.txt")
        assert listener.hears("own.txt")
        assert listener.keys() == ["own.txt"]


def test_scopes(api: ApiClient, signer: Signer) -> None:
    """A writer gets the events of its own files and a reader all; a ticket is refused."""
    writer = signer.client(tid=api.tenant, scope="files:write")
    reader = signer.client(tid=api.tenant, scope="files:read")
    rules = {"bucket": "default", "prefix": ""}
    ticket = signer.client(tid=api.tenant, scope="files:write", ticket=rules)
    with listening(writer, 0) as hears_own, listening(reader, 0) as hears_all:
        api.stored("of-another.txt")
        writer.stored("own.txt")
        assert hears_all.hears("own.txt")
        assert hears_own.hears("own.txt")
        assert hears_all.keys() == ["of-another.txt", "own.txt"]
        assert hears_own.keys() == ["own.txt"]
    assert Listener(api.port, ticket.token).connect().refusal == "insufficient-scope"


def test_buckets(api: ApiClient) -> None:
    """A subscription to a bucket limits a client to the bucket's events, until it unsubscribes."""
    assert api.send_json("PUT", "/v1/buckets/photos", {}).status == 201
    with listening(api, 0) as listener:
        assert listener.says("msg", {"op": "subscribe", "bucket": "photos"})["ok"]
        api.stored("unheard.txt")
        api.stored("heard.txt", bucket="photos")
        assert listener.hears("heard.txt")
        assert listener.says("msg", {"op": "unsubscribe", "bucket": "photos"})["ok"]
        api.stored("heard-too.txt")
        assert listener.hears("heard-too.txt")
        assert listener.keys() == ["heard.txt", "heard-too.txt"]


def test_chinese_names(api: ApiClient) -> None:
    """Names in Chinese arrive unchanged."""
    key = "头像/照片 一.txt"
    with listening(api, 0) as listener:
        tus = Tus(api)
        assert tus.patch(tus.created(len(SMALL), key=key), 0, SMALL).status == 204
        assert listener.hears(key)


def test_progress_of_a_resumable_upload(wharf: Wharf, api: ApiClient) -> None:
    """A listener gets the progress of an upload, even after `kill -9` of the live channel."""
    length = 16 << 20
    tus = Tus(api)
    address = tus.created(length, key="large.bin")
    sent = 0

    def sends_until(holds: Callable[[], bool]) -> None:
        """Send pieces until the condition is true."""
        nonlocal sent
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, "no progress"
            if sent < length - _PIECE:
                connection.sendall(b"x" * _PIECE)
                sent += _PIECE
            time.sleep(0.02)

    with listening(api, 0) as listener, tus.begin(address, 0, length) as connection:
        reports = listener.heard["progress"]
        sends_until(lambda: bool(reports))
        kill_live(wharf)
        sends_until(lambda: not listener.client.connected)
        sends_until(lambda: listener.client.connected)
        heard = len(reports)
        sends_until(lambda: len(reports) > heard)
        connection.sendall(b"x" * (length - sent))
        assert listener.hears("large.bin")
    offsets = [document["offset"] for document in listener.heard["progress"]]
    assert sorted(offsets) == offsets
    for document in listener.heard["progress"]:
        assert document.keys() == {"upload", "bucket", "key", "offset", "length", "rate"}
        assert address.endswith(f"/{document['upload']}")
        assert (document["bucket"], document["key"]) == ("default", "large.bin")
        assert 0 <= document["offset"] <= document["length"] == length
