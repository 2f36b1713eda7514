"""What a release has handed out goes on after an upgrade, and ends as it would have ended."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.e2e.releases.upgraded import Upgraded
from tests.servers.promised import holds
from tests.servers.releases.handed_out import claims_of, exchanged, link
from tests.servers.releases.laid import CREDENTIALS, RELEASES, facts
from tests.servers.releases.make import PNG
from tests.servers.wharf import people
from tests.servers.wharf.api_client import SMALL, ApiClient
from tests.servers.wharf.tenants import Tenants

# 0.1.0 has kept its links and events alone: see test_upgrade.py.
HANDED_OUT = [release for release in RELEASES if "handed_out" in facts(release)]
carried = pytest.mark.parametrize("upgraded", HANDED_OUT, indirect=True)


@carried
def test_links_open(upgraded: Upgraded) -> None:
    """Links of before open their files though no row tells of them; the one that is over opens
    nothing.
    """
    links = upgraded.links
    assert upgraded.anyone.get(links["owner"]).body == SMALL
    assert upgraded.anyone.get(links["narrowed"]).body == SMALL
    assert upgraded.anyone.get(links["guest"]).body == PNG
    upgraded.anyone.get(links["over"]).problem(404, "not-found")


def test_cursors_go_on(upgraded: Upgraded) -> None:
    """A reader that had a number goes on after it, and one that reads backwards before it: none of
    the events is missing, and none comes twice.
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
    """All events from a number on; later pages by the cursors of today."""
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
    """A person who was logged in is asked for no password: the refresh token of before is good,
    and so are the tokens of before.
    """
    ada = people.Person(upgraded.anyone, "", "ada", upgraded.found["handed_out"]["refresh_token"])
    old, narrowed = upgraded.with_token("access_token"), upgraded.with_token("exchanged")
    assert old.get("/v1/usage").status == 200
    assert old.get("/auth/me").json()["username"] == "ada"
    assert narrowed.file("once.txt").body == SMALL
    narrowed.put("more.txt", SMALL).problem(403, "insufficient-scope")
    assert ada.refresh().status == 200
    assert ada.api.get("/v1/usage").status == 200


@carried
def test_descent_from_tokens_of_before(upgraded: Upgraded) -> None:
    """What is made since the update of a token of before ends with that one, a link too, and what
    is made of one that was exchanged does not outlive it.
    """
    old, narrowed = upgraded.with_token("access_token"), upgraded.with_token("exchanged")
    below = exchanged(narrowed, scope="files:read", expires_in="900")
    assert claims_of(below)["exp"] <= claims_of(str(narrowed.token))["exp"]
    made = old.using(exchanged(old, scope="files:read"))
    address = link(made, "once.txt", 60)
    assert upgraded.anyone.get(address).body == SMALL
    form = {"token": str(old.token), **CREDENTIALS["demo"]}
    answer = upgraded.anyone.request(
        "POST", "/auth/oauth/revoke", urlencode(form).encode(), people.FORM
    )
    assert answer.status == 200, answer.body
    for one in (old, made):
        assert holds(lambda one=one: one.file("once.txt").status == 401)
    assert holds(lambda: upgraded.anyone.get(address).status == 404)
    # The release did not say of what it was made.
    assert narrowed.file("once.txt").status == 200


@carried
def test_a_session_of_before_ends(upgraded: Upgraded) -> None:
    """The end of all sessions of a person ends the one of before, with all tokens of it."""
    narrowed = upgraded.with_token("exchanged")
    person = claims_of(str(narrowed.token))["sub"]
    sessions = f"/auth/v1/tenants/demo/users/{person}/sessions"
    assert Tenants(upgraded.wharf).admin.request("DELETE", sessions).status == 204
    assert holds(lambda: narrowed.file("once.txt").status == 401)
    cookie = upgraded.found["handed_out"]["refresh_token"]
    assert people.Person(upgraded.anyone, "", "ada", cookie).refresh().status == 400


@carried
def test_a_guests_link_ends_with_the_guest(upgraded: Upgraded) -> None:
    """A link of before ends where its maker, whose group let them read, may no longer."""
    address = upgraded.links["guest"]
    admin, groups = Tenants(upgraded.wharf).admin, "/auth/v1/tenants/demo/groups"
    (group,) = admin.get(groups).json()["groups"]
    assert upgraded.anyone.get(address).status == 200
    assert admin.request("DELETE", f"{groups}/{group['group_id']}").status == 204
    assert holds(lambda: upgraded.anyone.get(address).status == 404)
