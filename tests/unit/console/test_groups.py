"""Pages for a tenant's groups: list, presets, grants, members and deletion."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.console import Console
from tests.servers.console_people import (
    CLIENTS,
    GROUPS,
    USERS,
    changes,
    client_document,
    group_document,
    serve_groups,
    serve_people,
    user_document,
)
from tests.servers.fake_gateway import Reply, problem

LIST, NEW, ONE = "/console/groups", "/console/groups/new", "/console/groups/group-1"
MEMBERS = f"{GROUPS}/group-1/members"
FORM: dict[str, Any] = {
    "name": " team ",
    "scopes": ["files:read"],
    "reach": "places",
    "bucket": ["docs", "", "*"],
    "prefix": ["home/{user_id}/", "", ""],
    "action": ["0.read", "0.write", "1.read", "2.list"],
}
GRANTS = [
    {"bucket": "docs", "actions": ["read", "write"], "prefix": "home/{user_id}/"},
    {"bucket": "*", "actions": ["list"], "prefix": ""},
]


@pytest.fixture(autouse=True)
def _groups(console: Console) -> None:
    serve_people(console.gateway)
    serve_groups(console.gateway)


def test_a_tenant_without_groups_sees_ready_made_ones(console: Console) -> None:
    """An empty list of groups offers presets, each as a link to a form that is filled in."""
    console.gateway.on("GET", GROUPS, Reply({"groups": [], "next_cursor": None}))
    browser = console.person()
    page = browser.get(LIST).text
    assert "No group yet" in page
    for name in ("folders", "avatar", "inbox", "auditor"):
        assert f'href="{NEW}?preset={name}"' in page
    assert "There is none further." in browser.get(f"{LIST}?cursor=x").text


@pytest.mark.parametrize(
    ("preset", "grant"),
    [
        ("folders", {"bucket": "default", "prefix": "home/{user_id}/", "actions": "rwdl"}),
        ("avatar", {"bucket": "avatars", "prefix": "{user_id}", "actions": "rw"}),
        ("inbox", {"bucket": "default", "prefix": "inbox/", "actions": "w"}),
        ("auditor", {"bucket": "default", "prefix": "", "actions": "rl"}),
    ],
)
def test_a_preset_fills_in_the_form(console: Console, preset: str, grant: dict[str, str]) -> None:
    """A preset fills in the grant "Place 1".

    It selects no scope, because a scope would apply to all places of a member.
    """
    page = console.person().get(f"{NEW}?preset={preset}").text
    first = page.partition("Place 1")[2].partition("Place 2")[0]
    assert f'name="bucket" value="{grant["bucket"]}"' in first
    assert f'name="prefix" value="{grant["prefix"]}"' in first
    for letter, action in zip("rwdl", ("read", "write", "delete", "list"), strict=True):
        ticked = f'value="0.{action}" checked' in first
        assert ticked == (letter in grant["actions"]), action
    assert 'checked id="scopes' not in page
    assert 'id="reach-1" name="reach" type="radio" value="places"' in page


def test_a_group_is_made_of_the_rows_that_are_filled_in(console: Console) -> None:
    """A new group has a grant for each row that is filled in; a row without a bucket is ignored."""
    reply = console.person().post(NEW, FORM)
    assert (reply.status_code, reply.location) == (303, ONE)
    [call] = console.gateway.called("POST", GROUPS)
    assert call.json == {"name": "team", "scopes": ["files:read"], "grants": GRANTS}


def test_everything_leaves_the_rows_out(console: Console) -> None:
    """A group that reaches everything is sent without rows, even when a hidden row is wrong."""
    form = FORM | {"reach": "everything", "bucket": "../", "prefix": ".."}
    assert console.person().post(NEW, form).status_code == 303
    [call] = console.gateway.called("POST", GROUPS)
    assert call.json["grants"] is None


def test_further_rows_come_without_scripts(console: Console) -> None:
    """The button for more grants works without scripts, keeps the input and makes no group."""
    reply = console.person().post(NEW, FORM | {"more": "yes", "name": ""})
    assert reply.status_code == 200
    assert reply.text.count('name="bucket"') == 4
    assert 'value="1.list" checked' in reply.text
    assert 'value="1.read" checked' not in reply.text
    assert changes(console.gateway) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bucket": ["", "docs"], "prefix": ["a/", ""], "action": ["0.read"]}, "Enter a bucket"),
        ({"bucket": "docs", "prefix": "", "action": []}, "Choose at least one."),
        ({"bucket": "No!", "prefix": "", "action": "0.read"}, "bucket"),
        ({"bucket": "docs", "prefix": "a/../b", "action": "0.read"}, ".."),
        ({"bucket": "docs", "prefix": "{me}/", "action": "0.read"}, "is no placeholder"),
        ({"bucket": "docs", "prefix": "e\N{COMBINING ACUTE ACCENT}", "action": "0.read"}, "NFC"),
    ],
)
def test_what_cannot_be_right_is_told_in_its_row(
    console: Console, change: dict[str, Any], words: str
) -> None:
    """An impossible place is explained in its row without a call of auth, and the input stays."""
    reply = console.person().post(NEW, FORM | change)
    assert reply.status_code == 422
    row = reply.text.partition("Place 1")[2].partition("Place 2")[0]
    assert '<small id="place-0-error" class="error">' in row
    assert words in row
    assert changes(console.gateway) == []


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        (problem(422, "unprocessable", "grants[1]: It is too long."), "place-1-error"),
        (problem(422, "unprocessable", "There is an unknown scope 'x'."), "scopes-error"),
        (problem(409, "group-exists", "There is a group of this name."), "name-error"),
        (problem(422, "unprocessable", "The grants are too long."), "message error"),
        (problem(422, "unprocessable", "grants[7]: It is too long."), "message error"),
        (problem(409, "too-many-groups", "There are 1,000."), "message error"),
    ],
)
def test_a_refusal_of_auth_stands_where_it_belongs(
    console: Console, answer: Reply, where: str
) -> None:
    """A refusal of auth is shown at the row that auth names. Empty rows do not count."""
    console.gateway.on("POST", GROUPS, answer)
    reply = console.person().post(NEW, FORM)
    assert reply.status_code == 422
    assert where in reply.text


def test_a_group_shows_what_it_gives_and_to_whom(console: Console) -> None:
    """The page of a group shows grants and scopes, and links to the pages of the members."""
    page = console.person().get(ONE).text
    for words in (
        "users/{user_id}/",
        "read, upload and change",
        'href="/console/members/user-2"',
        'href="/console/clients/client-1"',
    ):
        assert words in page, words
    everything = group_document(grants=None, scopes=[])
    console.gateway.on("GET", f"{GROUPS}/group-1", Reply(everything))
    page = console.person().get(ONE).text
    assert "Everything that the rights allow." in page
    assert "nothing more" in page


def test_members_come_by_their_names(console: Console) -> None:
    """Members are added by user names in any case, and clients by name or id, each once."""
    names = "BOB\r\n robot \r\n\r\nBOB\r\nclient-1"
    reply = console.person().post(ONE, {"names": names})
    assert reply.status_code == 303
    [call] = console.gateway.called("POST", MEMBERS)
    assert call.json == {"add": ["user-2", "client-1"], "remove": []}
    assert not console.gateway.called("PATCH", f"{USERS}/user-2")


def test_members_may_lose_what_they_reach_of_their_own(console: Console) -> None:
    """With the option `alone` added members without a list lose their own reach, except owners."""
    grants = [{"bucket": "docs", "prefix": "", "actions": ["read"]}]
    people = [
        user_document("ann", "user-1", role="owner"),
        user_document(),
        user_document("eve", "user-3", grants=grants),
    ]
    console.gateway.on("GET", USERS, Reply({"users": people, "next_cursor": None}))
    browser = console.person()
    form = {"names": "ann\nbob\neve\nrobot", "alone": "y"}
    assert browser.post(ONE, form).status_code == 303
    sent = [call for call in console.gateway.calls if call.method == "PATCH"]
    assert [(call.path, call.json) for call in sent] == [
        (f"{USERS}/user-2", {"grants": []}),
        (f"{CLIENTS}/client-1", {"grants": []}),
    ]
    assert "2 of them reach only what their groups give." in browser.get(ONE).text


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("", "Enter a name."),
        ("bob\nnobody", "Nobody is called: nobody"),
        ("gone", "Nobody is called: gone"),
        ("\n".join(map(str, range(101))), "At most 100 names are taken at once."),
    ],
)
def test_who_is_not_there_is_named_and_nobody_is_added(
    console: Console, names: str, words: str
) -> None:
    """If a name belongs to no user and no active client, the form says so, and adds no member."""
    clients = [client_document(), client_document("gone", "client-2", state="disabled")]
    console.gateway.on("GET", CLIENTS, Reply({"clients": clients, "next_cursor": None}))
    reply = console.person().post(ONE, {"names": names})
    assert reply.status_code == 422
    assert words in reply.text
    assert changes(console.gateway) == []


def test_who_is_in_too_many_groups_is_told(console: Console) -> None:
    """A member that is in too many groups is reported at the field with the names."""
    refused = problem(409, "too-many-groups", "bob is in 16 groups already.")
    console.gateway.on("POST", MEMBERS, refused)
    reply = console.person().post(ONE, {"names": "bob"})
    assert reply.status_code == 422
    assert "bob is in 16 groups already." in reply.text


def test_a_member_is_taken_out(console: Console) -> None:
    """A removed member loses the group; its account stays."""
    browser = console.person()
    assert browser.post(f"{ONE}/remove", {"subject": "user-2"}).location == ONE
    assert changes(console.gateway) == [("DELETE", f"{MEMBERS}/user-2")]


def test_a_group_is_changed_from_what_it_is(console: Console) -> None:
    """The form of a group shows the group's current state, and sends all of it."""
    browser = console.person()
    page = browser.get(f"{ONE}/change").text
    assert 'name="prefix" value="users/{user_id}/"' in page
    assert 'value="0.write" checked' in page
    assert 'value="0.delete" checked' not in page
    assert browser.post(f"{ONE}/change", FORM).location == ONE
    [call] = console.gateway.called("PATCH", f"{GROUPS}/group-1")
    assert call.json == {"name": "team", "scopes": ["files:read"], "grants": GRANTS}


def test_a_group_ends_after_a_question(console: Console) -> None:
    """A group is deleted after a confirmation."""
    browser = console.person()
    assert f'href="{ONE}/delete"' in browser.get(ONE).text
    assert "Delete the group team?" in browser.get(f"{ONE}/delete").text
    assert changes(console.gateway) == []
    assert browser.post(f"{ONE}/delete", {"confirmed": "yes"}).location == LIST
    assert changes(console.gateway) == [("DELETE", f"{GROUPS}/group-1")]
