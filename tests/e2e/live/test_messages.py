"""Clients that send malformed messages or too many messages, and a client that does not read."""

from __future__ import annotations

from itertools import count, islice, takewhile
from typing import Any

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.live_client import (
    SECONDS,
    listening,
    raw_listener,
    recorded,
    slug,
)
from tests.servers.wharf.multipart_body import field_part, file_part
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import ALL_SCOPES, Signer

LISTENS = "events:read"
# This number of messages is enough for some refusals, and too small to end the connection.
_BURST = 40


def test_the_tutorials_hello(api: ApiClient) -> None:
    """Any event other than `msg` gets a result that is not ok, and the connection stays open."""
    with listening(api) as listener:
        listener.client.emit("hello", "Hello, server!")
        assert until(lambda: listener.heard["result"], SECONDS)
        (result,) = listener.heard["result"]
        assert (result["ok"], result["op"]) == (False, "hello")
        assert slug(result["problem"]) == "malformed-request"
        assert listener.says("msg", {"op": "ping"}) == {"ok": True, "op": "ping"}
        api.stored("still.txt")
        assert listener.hears("still.txt")


@pytest.mark.parametrize(
    "message", ["ping", 5, None, {}, {"op": 1}, {"op": "shout"}, {"op": "subscribe", "bucket": "/"}]
)
def test_malformed_messages(api: ApiClient, message: Any) -> None:
    """A malformed message gets a problem, and the connection stays open."""
    with listening(api) as listener:
        answer = listener.says("msg", message)
        assert not answer["ok"]
        assert slug(answer["problem"]) == "malformed-request"
        assert listener.says("msg", {"op": "ping"})["ok"]


def test_a_flood(api: ApiClient, signer: Signer) -> None:
    """A client that floods is refused, then disconnected; another tenant receives its events."""
    other = signer.client(scope=" ".join((*ALL_SCOPES, LISTENS)))
    with listening(other, 0) as listener, raw_listener(api) as flood:
        for _ in range(_BURST):
            flood.emit("msg", {"op": "ping"})
        other.stored("meanwhile.txt")
        assert listener.hears("meanwhile.txt")
        said = flood.heard()
        heard = list(islice(said, _BURST))
        # One message at a time, so that none is in transit when the connection ends.
        while len(heard) < 1000 and heard[-1][0] == "result":
            flood.emit("msg", {"op": "ping"})
            heard += islice(said, 1)
        assert list(said) == []
    *results, (name, document) = heard
    refused = [result for _, result in results if not result["ok"]]
    assert {slug(result["problem"]) for result in refused} == {"quota-exceeded"}
    assert (name, slug(document["problem"])) == ("bye", "quota-exceeded")


def test_a_slow_reader(wharf: Wharf, api: ApiClient) -> None:
    """A client that does not read is asked to resync when it reads again.

    Afterwards the client receives new events.
    """
    # Each character is nine bytes in a path. The events thus have 7 kB, more than kernels buffer.
    folder = "文" * 80
    with raw_listener(api, receive_bytes=4096) as slow, listening(api) as quick:
        for number in range(9):
            files = [file_part(f"{number}-{index}.txt", b"x") for index in range(100)]
            answer = api.post(field_part("prefix", "/".join([folder] * 4)), *files)
            assert answer.status == 201, answer.body
        marks = count()

        def is_over() -> bool:
            """Tell whether another listener gets new events.

            The channel then no longer waits for the slow client.
            """
            mark = f"mark-{next(marks)}.txt"
            api.stored(mark)
            return until(lambda: mark in set(quick.keys()), 5)

        assert until(is_over, SECONDS)
        heard = slow.heard()
        events = [document for _, document in takewhile(lambda one: one[0] != "resync", heard)]
        everything = recorded(api)
        assert events == everything[: len(events)]
        assert len(events) < len(everything)
        api.stored("new.txt")
        # The slow client may have to resync once more.
        later = (document for name, document in heard if name == "event")
        for document in later:
            if document["file"]["key"] == "new.txt":
                break
            assert document in everything
