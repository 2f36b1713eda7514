"""The page of the audit log: pages, filters, and names in place of ids."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.console import Console
from tests.servers.console_people import (
    CLIENTS,
    USERS,
    act_document,
    serve_groups,
    serve_people,
)
from tests.servers.fake_gateway import Call, Reply
from wharf_console.forms.audit import KINDS, acts_told

PAGE, LOG = "/console/audit", "/auth/v1/audit"


@pytest.fixture(autouse=True)
def _people(console: Console) -> None:
    serve_people(console.gateway)


def serve(console: Console, acts: list[dict[str, Any]]) -> None:
    """Make the gateway serve this log page by page. `acts` has the newest act first."""

    def answer(call: Call) -> Reply:
        assert call.query["order"] == ["newest"]
        before = int(call.query.get("before", ["999999"])[0])
        limit = int(call.query["limit"][0])
        found = [act for act in acts if act["seq"] < before]
        last = found[limit - 1]["seq"] if len(found) > limit else None
        return Reply({"acts": found[:limit], "next_after": None, "next_before": last})

    console.gateway.on("GET", LOG, answer)


def queries(console: Console) -> list[dict[str, list[str]]]:
    """Return the queries of all requests for the log."""
    return [call.query for call in console.gateway.called("GET", LOG)]


def test_acts_are_told_in_words_with_names(console: Console) -> None:
    """An act is shown in words with names, or with an id when no name is known."""
    serve(
        console,
        [
            act_document(9, "clients.create", about="client-1"),
            act_document(8, "users.delete", about="user-gone"),
            act_document(7, "tenants.create", actor="cli", actor_tenant="", about="acme"),
            act_document(6, "tenants.resume", actor="admin-1", actor_tenant="wharf-admin"),
            act_document(5, "users.freeze", outcome="user-protected"),
            act_document(4, "users.freeze", outcome="frozen-over"),
        ],
    )
    page = console.person().get(PAGE).text
    for words in (
        "<bdi>ann</bdi>",
        "<bdi>robot</bdi>",
        "<bdi>command line</bdi>",
        "<code>user-gone</code>",
        '<code>admin-1</code> <span class="badge">operator</span>',
        ">made a client<",
        ">users.freeze<",
        ">refused: You cannot do this to yourself<",
        ">refused: frozen-over<",
        ">192.0.2.7<",
    ):
        assert words in page, words


def test_the_log_comes_page_by_page(console: Console) -> None:
    """A page shows the 100 newest acts and needs one call of the API."""
    serve(console, [act_document(seq) for seq in range(250, 0, -1)])
    browser = console.person()
    first = browser.get(PAGE).text
    assert first.count("<tr>") == 101
    assert 'href="/console/audit?before=151" rel="next"' in first
    assert "First page" not in first
    last = browser.get(f"{PAGE}?before=51").text
    assert last.count("<tr>") == 51
    assert 'rel="next"' not in last
    assert "First page" in last
    assert queries(console) == [
        {"order": ["newest"], "limit": ["100"]},
        {"order": ["newest"], "limit": ["100"], "before": ["51"]},
    ]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("kind=people", {10, 9}),
        ("kind=clients", {8, 7}),
        ("kind=access", {6}),
        ("kind=tenant", {5}),
        ("outcome=refused", {9, 7}),
        ("outcome=done", {10, 8, 6, 5}),
        ("kind=people&outcome=refused", {9}),
        ("actor=user-2", {8}),
        ("kind=evil&outcome=evil", {10, 9, 8, 7, 6, 5}),
    ],
)
def test_a_part_of_the_log_is_shown(console: Console, query: str, shown: set[int]) -> None:
    """The log can be filtered by kind, by outcome and by actor."""
    acts = [
        act_document(10, "users.create", address="10"),
        act_document(9, "users.change", address="9", outcome="user-protected"),
        act_document(8, "clients.create", address="8", actor="user-2"),
        act_document(7, "client_secrets.add", address="7", outcome="too-many-secrets"),
        act_document(6, "tokens.revoke", address="6"),
        act_document(5, "tenants.rename", address="5"),
    ]
    serve(console, acts)
    page = console.person().get(f"{PAGE}?{query}").text
    assert {seq for seq in range(5, 11) if f'data-label="From">{seq}<' in page} == shown


def test_a_part_goes_on_where_its_page_ended(console: Console) -> None:
    """The pages of a filtered log show each act once, wherever the pages of the API end."""
    acts = [
        act_document(seq, "clients.create" if seq % 7 else "users.create", address=f"seq-{seq}")
        for seq in range(1600, 0, -1)
    ]
    serve(console, acts)
    browser = console.person()
    address, seen = f"{PAGE}?kind=people", []
    for _ in range(10):
        page = browser.get(address).text
        seen += [seq for seq in range(1600, 0, -1) if f">seq-{seq}<" in page]
        if 'rel="next"' not in page:
            break
        before = page.partition("before=")[2].partition('"')[0].partition("&")[0]
        assert "kind=people" in page.partition('class="pages"')[2]
        address = f"{PAGE}?kind=people&before={before}"
    assert seen == [seq for seq in range(1600, 0, -1) if seq % 7 == 0]


def test_a_rare_kind_does_not_read_the_whole_log(console: Console) -> None:
    """A page with a rare kind of act reads at most four pages of the API, and links to the next."""
    serve(console, [act_document(seq) for seq in range(9000, 0, -1)])
    page = console.person().get(f"{PAGE}?kind=tenant").text
    assert len(queries(console)) == 4
    assert "The next page goes on with older ones." in page
    assert 'href="/console/audit?before=7001&amp;kind=tenant" rel="next"' in page


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "9" * 40, "²", ""])
def test_a_number_that_is_none_begins_at_the_newest(console: Console, before: str) -> None:
    """A malformed `before` gets the newest acts."""
    serve(console, [act_document(1)])
    assert console.person().get(PAGE, query_string={"before": before}).status_code == 200
    assert queries(console) == [{"order": ["newest"], "limit": ["100"]}]


def test_an_empty_log_says_so(console: Console) -> None:
    """The page of an empty log says that the log is empty, and requests no names from auth."""
    serve(console, [])
    assert "Nothing here." in console.person().get(PAGE).text
    assert console.gateway.called("GET", USERS) == []
    assert console.gateway.called("GET", CLIENTS) == []


def test_the_page_of_a_person_leads_to_what_the_person_did(console: Console) -> None:
    """A user's page links to the log of the user's acts, and a second filter keeps the user."""
    browser = console.person()
    assert 'href="/console/audit?actor=user-2"' in browser.get("/console/members/user-2").text
    page = browser.get(f"{PAGE}?actor=user-2").text
    assert "Only what was done by: <bdi>bob</bdi>" in page
    assert '<input type="hidden" name="actor" value="user-2">' in page


def test_every_act_is_of_a_kind(console: Console) -> None:
    """Every act belongs to a kind, so that no act is hidden from all filters."""
    beginnings = tuple(begin for begins in KINDS.values() for begin in begins)
    with console.app.test_request_context("/console/audit"):
        assert [act for act in acts_told() if not act.startswith(beginnings)] == []


def test_groups_and_who_came_have_names(console: Console) -> None:
    """An act that concerns a member of a group shows the names of the member and of the group."""
    serve_groups(console.gateway)
    acts = [act_document(act="groups.add-member", about="group-1/user-2")]
    serve(console, acts)
    page = console.person().get(PAGE).text
    assert "put somebody into a group" in page
    assert "team / bob" in page
