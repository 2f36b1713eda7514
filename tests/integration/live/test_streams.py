"""`GET /v1/events` as a stream: its parameters, its refusals and its header fields."""

from __future__ import annotations

import httpx
import pytest

from tests.servers.live import LiveProcess
from tests.servers.live_clients import streaming
from wharf_upload.http.event_cursors import cursor_of

STREAM = {"Accept": "text/event-stream"}


def ask(live: LiveProcess, method: str = "GET", query: str = "", **headers: str) -> httpx.Response:
    """Send a request whose response is short."""
    return httpx.request(method, f"{live.url}/v1/events{query}", headers={**STREAM, **headers})


def test_every_event_once_and_in_order(live: LiveProcess, tenant: str) -> None:
    """A stream starts after `Last-Event-ID`. If the request does not have this field, the stream
    starts after the position in the address.
    """
    before = live.store(4, tenant=tenant)
    with (
        streaming(live.url, live.token(tid=tenant), before[0]) as heard,
        streaming(
            live.url, live.token(tid=tenant), before[0], **{"Last-Event-ID": before[2]}
        ) as again,
    ):
        heard.wait("event", 3)
        again.wait("event")
        later = live.store(2, tenant=tenant)
        heard.wait("event", 5)
        again.wait("event", 3)
    assert heard.ids == [*before[1:], *later]
    assert again.ids == [*before[3:], *later]


def test_many_events(live: LiveProcess, tenant: str) -> None:
    """A stream sends more events than fit into one page, and new ones in between, once each."""
    before = live.store(500, tenant=tenant)
    with streaming(live.url, live.token(tid=tenant), 0) as heard:
        heard.wait("event")
        later = live.store(50, tenant=tenant)
        heard.wait("event", 550)
    assert heard.ids == before + later


def test_a_number_that_this_database_never_gave_out(live: LiveProcess, tenant: str) -> None:
    """A client with a position after the database's last event, as after
    a restore, gets `resync`.
    """
    numbers = live.store(1, tenant=tenant)
    with streaming(live.url, live.token(tid=tenant), cursor_of(tenant, 1 << 62)) as heard:
        assert heard.wait("resync") == [{"after": numbers[-1]}]
        later = live.store(1, tenant=tenant)
        heard.wait("event")
    assert heard.ids == later


def test_fields_of_a_stream(live: LiveProcess, tenant: str) -> None:
    """The header fields of a stream forbid caches and buffering by proxies."""
    headers = {**STREAM, "Authorization": f"Bearer {live.token(tid=tenant)}"}
    with httpx.stream("GET", f"{live.url}/v1/events", headers=headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert next(answer.iter_lines()).startswith("retry: ")


@pytest.mark.parametrize(
    ("method", "query", "headers", "status"),
    [
        ("GET", "", {"Authorization": ""}, 401),
        ("GET", "", {"Authorization": "Basic eA=="}, 401),
        ("GET", "", {"Authorization": "Bearer a, Bearer b"}, 400),
        ("GET", "?access_token=x", {}, 400),
        ("GET", "?after=-1", {}, 400),
        ("GET", "?after=7", {}, 400),
        ("GET", f"?after={cursor_of('another', 7)}", {}, 400),
        ("GET", "?after=1&after=2", {}, 400),
        ("GET", "?after=9223372036854775808", {}, 400),
        ("GET", "?before=1", {}, 400),
        ("GET", "", {"Last-Event-ID": "x"}, 400),
        ("GET", "", {"Last-Event-ID": "1_0"}, 400),
        ("GET", "", {"Accept": "application/json"}, 406),
        ("GET", "", {"Origin": "https://evil.example"}, 403),
        ("HEAD", "", {}, 405),
        ("POST", "", {}, 405),
        ("DELETE", "", {}, 405),
    ],
)
def test_refusals(
    live: LiveProcess, tenant: str, method: str, query: str, headers: dict[str, str], status: int
) -> None:
    """A bad request for a stream gets a problem document with a 4xx status."""
    credential = {"Authorization": f"Bearer {live.token(tid=tenant)}"}
    sent = {**credential, **headers}
    if not sent["Authorization"]:
        del sent["Authorization"]
    answer = ask(live, method, query, **sent)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    if method != "HEAD":
        assert answer.json()["status"] == status
    if status == 405:
        assert answer.headers["allow"] == "GET, OPTIONS"


def test_other_addresses(live: LiveProcess) -> None:
    """The live channel serves only events, probes and metrics."""
    assert httpx.get(f"{live.url}/v1/files").status_code == 404
    assert httpx.get(f"{live.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{live.url}/readyz").json() == {"status": "ready"}
    assert httpx.post(f"{live.url}/metrics").status_code == 405
    assert "wharf_live_database_up 1.0" in httpx.get(f"{live.url}/metrics").text
