"""The list of valid links, and the way to end a link."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.console import Console
from tests.servers.console_links import kept_link, lists_links
from tests.servers.console_people import serve_people
from tests.servers.fake_gateway import Reply, problem
from tests.unit.console.test_templates import check

PAGE = "/console/links"
END = f"{PAGE}/link-1/end"


def shown(console: Console, *links: dict[str, Any], role: str = "owner", query: str = "") -> str:
    """Return the page with these links."""
    serve_people(console.gateway)
    lists_links(console.gateway, *links)
    page = console.person(role).get(PAGE + query).text
    check(PAGE, page)
    return page


def asked(console: Console) -> dict[str, list[str]]:
    """Return the page's last query to the API, without the page size."""
    query = console.gateway.called("GET", "/v1/links")[-1].query
    return {name: value for name, value in query.items() if name != "limit"}


def test_an_owner_sees_the_links_of_all(console: Console) -> None:
    """An owner sees all links of the tenant with target, maker and expiry, and can end each."""
    page = shown(
        console,
        kept_link(),
        kept_link("link-2", key=None, prefix="reports/", maker="user-2"),
        kept_link("link-3", maker="client-1"),
        kept_link("link-4", maker="client-gone"),
    )
    assert "<bdi>docs/a/b.pdf</bdi>" in page
    assert "<bdi>docs/reports/</bdi>" in page
    for name in ("You", "Bob", "robot", "client-gone"):
        assert f"<bdi>{name}</bdi></a></td>" in page
    assert 'datetime="2026-11-19T10:00:00Z"' in page
    assert page.count('class="secondary outline" data-confirm id="end-') == 4
    assert "Links of your tenant" in page
    assert asked(console) == {}


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_others_see_their_own(console: Console, role: str) -> None:
    """A viewer and an editor see only their own links, and cannot choose a maker."""
    page = shown(console, kept_link(), role=role, query="?whose=user-2")
    assert "Your links" in page
    assert 'name="whose"' not in page
    assert "Made by" not in page
    assert asked(console) == {}
    assert console.gateway.called("GET", "/auth/v1/tenants/acme/users") == []


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("?where=docs", {"bucket": ["docs"]}),
        ("?where=docs&shows=a/b.pdf", {"bucket": ["docs"], "key": ["a/b.pdf"]}),
        ("?shows=a/b.pdf", {}),
        ("?whose=user-2&cursor=x", {"maker": ["user-2"], "cursor": ["x"]}),
        ("?whose=nobody", {"maker": ["nobody"]}),
    ],
)
def test_which_links_are_shown(console: Console, query: str, wanted: dict[str, list[str]]) -> None:
    """The list of links can be filtered by bucket, file and maker, and shows its filter."""
    page = shown(console, kept_link(maker="user-2"), query=query)
    assert asked(console) == wanted
    assert ("Name the bucket of the file, too." in page) == (query == "?shows=a/b.pdf")
    for maker in wanted.get("maker", []):
        assert f'<option selected value="{maker}">' in page


def test_pages(console: Console) -> None:
    """A page of links has links to the next page and to the first page, both with the same
    filter.
    """
    serve_people(console.gateway)
    browser = console.person()
    lists_links(console.gateway, kept_link(), cursor="n&xt")
    page = browser.get(f"{PAGE}?where=docs&cursor=x").text
    assert f'href="{PAGE}?cursor=n%26xt&amp;where=docs" rel="next"' in page
    assert f'href="{PAGE}?where=docs">First page' in page
    lists_links(console.gateway, cursor="more")
    assert "There may be more on the next one." in browser.get(PAGE).text
    lists_links(console.gateway)
    assert "There is no such link." in browser.get(f"{PAGE}?where=docs").text
    assert "No link is good at the moment." in browser.get(PAGE).text


def test_a_link_whose_maker_may_not_read(console: Console) -> None:
    """A link is marked and explained if its maker may not read the file."""
    words = "A link shows nothing while its maker may not read what it leads to."
    page = shown(console, kept_link(state="suspended"))
    assert "shows nothing now" in page
    assert words in page
    assert words not in shown(console, kept_link())


def test_a_link_is_ended_after_a_question(console: Console) -> None:
    """A link is ended after a confirmation, which leads back to the list."""
    browser = console.person("viewer")
    console.gateway.on("DELETE", "/v1/links/link-1", Reply(status=204))
    back = f"{PAGE}?cursor=x"
    question = browser.post(END, {"name": "docs/<b>", "back": back}).text
    assert "docs/&lt;b&gt;" in question
    check("question", question)
    assert console.gateway.called("DELETE", "/v1/links/link-1") == []
    done = browser.post(END, {"confirmed": "yes", "back": back})
    assert (done.status_code, done.location) == (303, back)
    assert len(console.gateway.called("DELETE", "/v1/links/link-1")) == 1
    assert "The link has ended." in browser.get("/console/").text


def test_the_address_goes_with_the_link(console: Console) -> None:
    """After a link has ended, the page with its address gets 404."""
    browser = console.person()
    made = {"id": "link-1", "url": "/s/x", "expires_at": "2026-11-19T10:00:00Z"}
    console.gateway.on("POST", "/v1/links", Reply(made, 201))
    form = {"bucket": "docs", "target": "a", "disposition": "inline", "expires_in": "3600"}
    console.clock.now = 1_795_000_000.0 - 86400
    location = browser.post(PAGE, form).location
    assert browser.get(location).status_code == 200
    console.gateway.on("DELETE", "/v1/links/link-1", Reply(status=204))
    browser.post(END, {"confirmed": "yes"})
    assert browser.get(location).status_code == 404


def test_a_link_that_has_ended_already_is_no_failure(console: Console) -> None:
    """A link that has already ended is no error."""
    browser = console.person()
    assert browser.post(END, {"confirmed": "yes"}).status_code == 303
    assert "This link has ended already." in browser.get("/console/").text


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/console/../x", ""])
def test_the_way_back_stays_inside(console: Console, back: str) -> None:
    """A form that ends a link returns to a page of the console only."""
    browser = console.person()
    console.gateway.on("DELETE", "/v1/links/link-1", Reply(status=204))
    assert browser.post(END, {"confirmed": "yes", "back": back}).location == PAGE


def test_a_form_of_another_session_ends_nothing(console: Console) -> None:
    """A form without a token, or with the token of another session, ends no link."""
    browser, other = console.person(), console.person()
    for token in ({}, {"csrf_token": other.token()}):
        form = {"confirmed": "yes", **token}
        assert browser.client.post(END, data=form).status_code == 400
    assert not any(call.method == "DELETE" for call in console.gateway.calls)


def test_a_release_before_keeps_no_list(console: Console) -> None:
    """With an API of an earlier release, which lists no links, the page can still make a link."""
    browser = console.person()
    console.gateway.on("GET", "/v1/links", problem(405, "method-not-allowed"))
    reply = browser.get(PAGE)
    assert reply.status_code == 200
    assert "Make the link" in reply.text
    console.gateway.on("GET", "/v1/links", problem(503, "unavailable", retry_after=3))
    assert browser.get(PAGE).status_code == 503
