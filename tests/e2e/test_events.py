"""`GET /v1/events`: oldest first, newest first, and events of one kind."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.tenants import Signer


@pytest.fixture
def reader(api: ApiClient, signer: Signer) -> ApiClient:
    """Return a client that may read the events of the tenant of `api`."""
    return signer.client(tid=api.tenant, scope="events:read")


def pages(reader: ApiClient, query: str, cursor: str) -> list[list[dict[str, Any]]]:
    """Return all pages of events; `cursor` is the query parameter `after` or `before`."""
    found: list[list[dict[str, Any]]] = []
    position = ""
    while True:
        answer = reader.get(f"/v1/events?{query}{position}")
        assert answer.status == 200, answer.body
        page = answer.json()
        following = page[f"next_{cursor}"]
        if following is None or f"&{cursor}={following}" == position:
            return [*found, page["events"]]
        found.append(page["events"])
        position = f"&{cursor}={following}"


def test_the_newest_first(api: ApiClient, reader: ApiClient) -> None:
    """The orders `newest` and `oldest` list the same events, and no page is empty."""
    assert reader.get("/v1/events?order=newest").json() == {
        "events": [],
        "next_after": "0",
        "next_before": None,
        "missed": False,
    }
    for number in range(4):
        api.stored(f"{number}.txt")
    forth = pages(reader, "limit=2", "after")
    back = pages(reader, "order=newest&limit=2", "before")
    assert [len(page) for page in back] == [2, 2]
    assert [*chain(*back)] == [*chain(*forth)][::-1]


def test_from_the_end_on(api: ApiClient, reader: ApiClient) -> None:
    """A client that has read the newest events continues with the events that follow them."""
    api.stored("a.txt")
    last = reader.get("/v1/events?order=newest&limit=1").json()
    assert [event["kind"] for event in last["events"]] == ["file.created"]
    api.delete("a.txt")
    (new,) = reader.get(f"/v1/events?after={last['next_after']}").json()["events"]
    assert new["kind"] == "file.deleted"


@pytest.mark.parametrize(("order", "cursor"), [("oldest", "after"), ("newest", "before")])
def test_one_kind(api: ApiClient, reader: ApiClient, order: str, cursor: str) -> None:
    """A query for one kind returns all events of that kind and no others."""
    for number in range(3):
        api.stored(f"{number}.txt")
        api.delete(f"{number}.txt")
    for limit in (1, 2, 100):
        asked = f"order={order}&limit={limit}&kind=file.deleted"
        found = [*chain(*pages(reader, asked, cursor))]
        keys = [event["file"]["key"] for event in found]
        assert sorted(keys, reverse=order == "newest") == keys
        assert len(keys) == 3
        assert {event["kind"] for event in found} == {"file.deleted"}
    assert not any(pages(reader, f"order={order}&kind=file.unheard", cursor))


@pytest.mark.parametrize(
    "query", ["order=newest&after=1", "before=1", "order=latest", "kind=File", "kind="]
)
def test_malformed(reader: ApiClient, query: str) -> None:
    """`after` with the order `newest`, `before` with `oldest`, and invalid orders and kinds get
    400.
    """
    reader.get(f"/v1/events?{query}").problem(400, "malformed-request")


def test_buckets_by_pages(api: ApiClient) -> None:
    """The pages of the list of buckets, joined by their cursors, are the whole list."""
    for name in ("a-bucket", "photos"):
        assert api.send_json("PUT", f"/v1/buckets/{name}", {}).status == 201
    whole = api.get("/v1/buckets").json()
    assert [bucket["name"] for bucket in whole["buckets"]] == ["a-bucket", "default", "photos"]
    assert whole["next_cursor"] is None
    first = api.get("/v1/buckets?limit=2").json()
    rest = api.get(f"/v1/buckets?limit=2&cursor={first['next_cursor']}").json()
    assert first["buckets"] + rest["buckets"] == whole["buckets"]
    assert rest["next_cursor"] is None
    api.get("/v1/buckets?limit=0").problem(400, "malformed-request")
