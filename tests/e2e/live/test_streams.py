"""Events as a stream, at the address of the list of events."""

from __future__ import annotations

import urllib.error
import urllib.request
from itertools import islice

import pytest

from tests.servers.code_blocks import blocks
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.checkout_shell import run
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.live_client import (
    SECONDS,
    Stream,
    kill_live,
    recorded,
)
from tests.servers.wharf.raw_http import until


def test_a_stream_by_curl(wharf: Wharf, api: ApiClient) -> None:
    """curl receives events with ids, and continues with `Last-Event-ID` after `kill -9`."""
    api.stored("first.txt")
    with Stream(api, "/v1/events?after=0") as stream:
        cursor, name, document = next(stream.events())
        assert (name, document) == ("event", recorded(api)[0])
        assert cursor == document["id"]
        kill_live(wharf)
        assert list(stream.events()) == []
    api.stored("second.txt")
    api.stored("third.txt")

    def goes_on() -> bool:
        with Stream(api, "/v1/events?after=0", Last_Event_ID=cursor) as again:
            found = [document["file"]["key"] for *_, document in islice(again.events(), 2)]
        return found == ["second.txt", "third.txt"]

    assert until(goes_on, SECONDS)


def test_the_commands_of_the_tour(wharf: Wharf) -> None:
    """The commands of docs/tour.md make a small picture, and print the events of the upload."""
    tour = "docs/tour.md"
    use = next(block for block in blocks(tour, "Use") if block.startswith("token()"))
    (listens,) = blocks(tour, "Hear what happens")
    pictures = next(block for block in blocks(tour, "Share") if "?w=" in block)
    printed = run(wharf, use + pictures + 'curl -sI "$WHARF$SMALL?w=256"\n' + listens)
    assert "content-type: image/webp" in printed.lower()
    assert "event: event\n" in printed
    assert '"key":"docs/overview.png"' in printed


def test_lists_stay_lists(api: ApiClient) -> None:
    """Without the Accept of a stream the address returns the list, even while a client streams."""
    api.stored("there.txt")
    with Stream(api, "/v1/events?after=0") as stream:
        assert next(stream.events())[1] == "event"
        for accept in ("application/json", "*/*", "text/html"):
            answer = api.get("/v1/events", {"Accept": accept})
            assert answer.json()["events"] == recorded(api)


def test_not_on_the_internal_port(wharf: Wharf, api: ApiClient) -> None:
    """The internal port serves the metrics of the live channel but no events; the public port
    serves no metrics.
    """
    internal = f"http://127.0.0.1:{wharf.metrics_port}"
    fields = {"Authorization": f"Bearer {api.token}", "Accept": "text/event-stream"}
    for path in ("/socket.io/?EIO=4&transport=polling", "/v1/events"):
        request = urllib.request.Request(internal + path, headers=fields)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=SECONDS)
        assert refusal.value.code == 404
        refusal.value.close()
    with urllib.request.urlopen(f"{internal}/metrics/live", timeout=SECONDS) as answer:
        text = answer.read().decode()
    assert "\nwharf_live_connections{" in text
    assert api.tenant not in text
    assert api.get("/metrics/live").status == 404
