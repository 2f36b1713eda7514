"""Tokens and links of an earlier release, which can still be ended after an upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.e2e.releases.conftest import opened
from tests.e2e.releases.upgraded import Upgraded, carried
from tests.servers.promised import holds
from tests.servers.releases.handed_out import claims_of, exchanged, link
from tests.servers.releases.laid import CREDENTIALS, RELEASES
from tests.servers.wharf import people
from tests.servers.wharf.api_client import SMALL
from tests.servers.wharf.tenants import Tenants


@pytest.fixture(scope="module", params=RELEASES)
def upgraded(request: pytest.FixtureRequest) -> Iterator[Upgraded]:
    """Yield a separate Wharf for each release, because these tests end tokens and links."""
    with opened(request.param) as found:
        yield found


@carried
def test_tokens_of_before(upgraded: Upgraded) -> None:
    """A token that is made from a token of an earlier release ends when the old token is revoked.

    A token of an earlier release ends with its session.
    """
    descent(upgraded)
    end_of_session(upgraded)


def test_links_of_before(upgraded: Upgraded) -> None:
    """Links of an earlier release end with their maker's rights or the link key; new links work."""
    if "guest" in upgraded.links:
        end_of_guest(upgraded)
    rotation(upgraded)


def descent(upgraded: Upgraded) -> None:
    """Check that tokens and links made from an old token end with the old token.

    Also check that a token made from an old exchanged token does not outlive the exchanged token.
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
    # The release did not record the parent of this token.
    assert narrowed.file("once.txt").status == 200


def end_of_session(upgraded: Upgraded) -> None:
    """Check that an administrator can end an old session of a person with all its tokens."""
    narrowed = upgraded.with_token("exchanged")
    person = claims_of(str(narrowed.token))["sub"]
    sessions = f"/auth/v1/tenants/demo/users/{person}/sessions"
    assert Tenants(upgraded.wharf).admin.request("DELETE", sessions).status == 204
    assert holds(lambda: narrowed.file("once.txt").status == 401)
    cookie = upgraded.found["handed_out"]["refresh_token"]
    assert people.Person(upgraded.anyone, "", "ada", cookie).refresh().status == 400


def end_of_guest(upgraded: Upgraded) -> None:
    """Check that an old link ends when the group that lets its maker read is deleted."""
    address = upgraded.links["guest"]
    admin, groups = Tenants(upgraded.wharf).admin, "/auth/v1/tenants/demo/groups"
    (group,) = admin.get(groups).json()["groups"]
    assert upgraded.anyone.get(address).status == 200
    assert admin.request("DELETE", f"{groups}/{group['group_id']}").status == 204
    assert holds(lambda: upgraded.anyone.get(address).status == 404)


def rotation(upgraded: Upgraded) -> None:
    """Check that a rotation of the link key ends links without a row, and that new links work."""
    before = {
        "link": upgraded.found["link"],
        **upgraded.found.get("handed_out", {}).get("links", {}),
    }
    demo = upgraded.demo
    assert demo.request("POST", "/v1/links/rotate").status == 204
    made = demo.send_json("POST", "/v1/links", {"bucket": "default", "key": "notes/first.txt"})
    assert made.status == 201, made.body
    for name, kept in before.items():
        assert holds(lambda kept=kept: upgraded.anyone.get(kept).status == 404), name
    assert upgraded.anyone.get(made.json()["url"]).body == SMALL
