"""Tokens, links and cursors of an earlier release, which work after an upgrade."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tests.e2e.releases.upgraded import Upgraded, carried
from tests.servers.releases.make import PNG
from tests.servers.wharf import people
from tests.servers.wharf.api_client import SMALL, ApiClient


@carried
def test_links_open(upgraded: Upgraded) -> None:
    """Links of an earlier release open their files without a row; an expired link gets a 404."""
    links = upgraded.links
    assert upgraded.anyone.get(links["owner"]).body == SMALL
    assert upgraded.anyone.get(links["narrowed"]).body == SMALL
    assert upgraded.anyone.get(links["guest"]).body == PNG
    upgraded.anyone.get(links["over"]).problem(404, "not-found")


def test_cursors_go_on(upgraded: Upgraded) -> None:
    """A reader with an event number of an earlier release can continue forward and backward.

    The reader misses no event and gets no event twice.
    """
    owner = upgraded.person().api
    before = upgraded.found["events"]
    number = before[2][0]
    upgraded.demo.stored("after-the-number.txt")
    told = pages(owner, "next_after", after=number, limit=4)
    kinds = [kind for _, kind in before[3:]]
    assert [one["kind"] for one in told[: len(kinds)]] == kinds
    assert told[-1]["file"]["key"] == "after-the-number.txt"
    every = owner.get("/v1/events?limit=1000").json()["events"]
    assert told == every[3:]
    older = pages(owner, "next_before", before=before[-2][0], limit=4, order="newest")
    assert older == every[: len(before) - 2][::-1]
    again = owner.get(f"/v1/events?after={number}&limit=1").json()
    assert again["events"] == told[:1]
    assert not again.get("missed")


def pages(owner: ApiClient, next_page: str, **query: Any) -> list[dict[str, Any]]:
    """Return all events from a number on; only the first request uses the number as cursor."""
    told: list[dict[str, Any]] = []
    side = next_page.removeprefix("next_")
    while query[side] is not None:
        page = owner.get(f"/v1/events?{urlencode(query)}").json()
        told += page["events"]
        if not page["events"] or query[side] == page[next_page]:
            break
        query[side] = page[next_page]
    return told


@carried
def test_a_session_goes_on(upgraded: Upgraded) -> None:
    """A person who logged in before the upgrade can use the old refresh token and access tokens."""
    ada = people.Person(upgraded.anyone, "", "ada", upgraded.found["handed_out"]["refresh_token"])
    old, narrowed = upgraded.with_token("access_token"), upgraded.with_token("exchanged")
    assert old.get("/v1/usage").status == 200
    assert old.get("/auth/me").json()["username"] == "ada"
    assert narrowed.file("once.txt").body == SMALL
    narrowed.put("more.txt", SMALL).problem(403, "insufficient-scope")
    assert ada.refresh().status == 200
    assert ada.api.get("/v1/usage").status == 200
