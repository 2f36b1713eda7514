"""Grants of users and clients: set when they are made, and changed later."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.servers.console import Console
from tests.servers.console_people import (
    CLIENTS,
    USERS,
    client_document,
    serve_people,
    user_document,
)
from tests.servers.fake_gateway import Reply, problem

GRANT = {"bucket": "docs", "prefix": "in/", "actions": ["write"]}
PLACES: dict[str, Any] = {
    "reach": "places",
    "bucket": "docs",
    "prefix": "in/",
    "action": "0.write",
}
MEMBER, CLIENT = "/console/members/user-2", "/console/clients/client-1"


@pytest.fixture(autouse=True)
def _people(console: Console) -> None:
    serve_people(console.gateway)


def test_a_person_is_made_with_what_it_reaches(console: Console) -> None:
    """A new user is made with the chosen grants, or without a list."""
    browser = console.person()
    form = {"username": "eve", "role": "editor"}
    for sent, grants in ((PLACES, [GRANT]), ({"reach": "everything"}, None)):
        assert browser.post("/console/members/new", form | sent).status_code == 201
        assert console.gateway.called("POST", USERS)[-1].json["grants"] == grants


def test_a_program_is_made_with_what_it_reaches(console: Console) -> None:
    """A new client gets its grants in the request that creates it, so it never reaches more."""
    browser = console.person()
    found = re.search(r'name="once"[^>]*value="([^"]+)"', browser.get("/console/clients/new").text)
    assert found
    form = {"name": "robot", "scopes": "files:write", "once": found[1]} | PLACES
    assert browser.post("/console/clients/new", form).status_code == 201
    [call] = console.gateway.called("POST", CLIENTS)
    assert call.json == {"name": "robot", "scopes": ["files:write"], "grants": [GRANT]}


@pytest.mark.parametrize("path", ["/console/members/new", "/console/clients/new"])
def test_a_new_one_reaches_everything_unless_somebody_says_otherwise(
    console: Console, path: str
) -> None:
    """A new user or client reaches everything unless the form says otherwise."""
    page = console.person().get(path).text
    assert re.search(r'<input checked[^>]*value="everything"', page)
    assert '<option value="docs"></option>' in page


def test_the_page_of_a_person_says_what_it_reaches(console: Console) -> None:
    """The page of a user shows grants and groups; an owner's grants cannot be changed."""
    group = {"group_id": "group-1", "name": "team"}
    person = user_document(grants=[GRANT], groups=[group])
    console.gateway.on("GET", f"{USERS}/user-2", Reply(person))
    browser = console.person()
    page = browser.get(MEMBER).text
    for words in ("in/</bdi>", "upload and change", 'href="/console/groups/group-1"'):
        assert words in page, words
    assert f'href="{MEMBER}/reach"' in page
    assert "/reach" not in browser.get("/console/members/user-1").text


def test_what_a_person_reaches_is_changed(console: Console) -> None:
    """A change of a user's grants sends neither the role nor the name."""
    person = user_document(grants=[GRANT])
    console.gateway.on("GET", f"{USERS}/user-2", Reply(person))
    browser = console.person()
    assert 'name="prefix" value="in/"' in browser.get(f"{MEMBER}/reach").text
    for sent, grants in (
        (PLACES, [GRANT]),
        ({"reach": "everything"}, None),
        ({"reach": "places"}, []),
    ):
        assert browser.post(f"{MEMBER}/reach", sent).location == MEMBER
        assert console.gateway.called("PATCH", f"{USERS}/user-2")[-1].json == {"grants": grants}


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        (problem(422, "unprocessable", "grants[0]: A person has no {client}."), "place-0-error"),
        (problem(422, "unprocessable", "An owner has no grants."), "message error"),
    ],
)
def test_a_refused_change_comes_back(console: Console, answer: Reply, where: str) -> None:
    """A refused change of grants is explained at the row that auth names, or above the form."""
    console.gateway.on("PATCH", f"{USERS}/user-2", answer)
    reply = console.person().post(f"{MEMBER}/reach", PLACES)
    assert reply.status_code == 422
    assert where in reply.text
    chinese = console.person().post(f"{MEMBER}/reach", PLACES, headers={"Accept-Language": "zh"})
    assert where in chinese.text


def test_a_program_is_changed_from_what_it_is(console: Console) -> None:
    """The form of a client keeps a scope that the page does not know, and sends the scope."""
    client = client_document(scopes=["files:read", "of:operators"], grants=[GRANT])
    console.gateway.on("GET", f"{CLIENTS}/client-1", Reply(client))
    browser = console.person()
    assert f'href="{CLIENT}/change"' in browser.get(CLIENT).text
    page = browser.get(f"{CLIENT}/change").text
    assert re.search(r'<input checked[^>]*value="of:operators"', page)
    assert 'name="prefix" value="in/"' in page
    form = {"name": "robot", "scopes": ["files:read", "of:operators"]} | PLACES
    assert browser.post(f"{CLIENT}/change", form).location == CLIENT
    [call] = console.gateway.called("PATCH", f"{CLIENTS}/client-1")
    scopes = ["files:read", "of:operators"]
    assert call.json == {"name": "robot", "scopes": scopes, "grants": [GRANT]}


@pytest.mark.parametrize("path", [f"{MEMBER}/reach", f"{CLIENT}/change"])
def test_a_form_without_a_choice_widens_nothing(console: Console, path: str) -> None:
    """A form without a choice of grants does not change them."""
    form = {"name": "robot", "scopes": "files:read"}
    assert console.person().post(path, form).status_code == 303
    sent = [call.json for call in console.gateway.calls if call.method == "PATCH"]
    assert all("grants" not in one for one in sent)
