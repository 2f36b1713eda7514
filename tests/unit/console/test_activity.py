"""The page of events: order, filter by kind, and links to other pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import file_document
from tests.servers.fake_gateway import Call, Reply, problem
from tests.unit.console.test_templates import check

PAGE = "/console/activity"


OLDER = "AAY3aFbVwAAx6gcR"


def event(number: str, kind: str = "file.created", **fields: Any) -> dict[str, Any]:
    """Return an event of the API."""
    found = {"id": number, "kind": kind, "at": "2026-11-18T10:00:00Z", "file": None, "quota": None}
    return {**found, **fields}


def shown(
    console: Console, *events: dict[str, Any], before: str | None = None, query: str = ""
) -> str:
    """Return the page that shows these events."""
    browser = console.person()
    listed = {"events": events, "next_after": "AAY3aFbVwAAx6gcS", "next_before": before}
    console.gateway.on("GET", "/v1/events", Reply(listed))
    page = browser.get(PAGE + query).text
    check(PAGE, page)
    return page


def asked(console: Console) -> dict[str, list[str]]:
    """Return the query of the last request for events."""
    return console.gateway.called("GET", "/v1/events")[-1].query


def test_the_newest_come_first(console: Console) -> None:
    """The page of events shows the 100 newest events, with a link to older events."""
    page = shown(console, event("7", file=file_document("<a>")), before=OLDER)
    assert asked(console) == {"order": ["newest"], "limit": ["100"]}
    assert "<bdi>docs/&lt;a&gt;</bdi>" in page
    assert f'href="{PAGE}?before={OLDER}" rel="next"' in page
    assert "First page" not in page


def test_a_kind_stays_over_pages(console: Console) -> None:
    """The chosen kind is sent to the API and kept in the links to other pages."""
    page = shown(
        console,
        event("5", "file.deleted", file=file_document()),
        before=OLDER,
        query="?kind=file.deleted&before=9",
    )
    assert asked(console) == {
        "order": ["newest"],
        "limit": ["100"],
        "kind": ["file.deleted"],
        "before": ["9"],
    }
    assert '<option value="file.deleted" selected>Deleted</option>' in page
    assert f'href="{PAGE}?kind=file.deleted&amp;before={OLDER}" rel="next"' in page
    assert f'<a href="{PAGE}?kind=file.deleted">First page' in page


@pytest.mark.parametrize(
    "query", ["?kind=x&before=y", "?before=-1", f"?before={'9' * 30}", "?kind="]
)
def test_nonsense_is_passed_over(console: Console, query: str) -> None:
    """An address with malformed parameters gets the first page of events."""
    shown(console, query=query)
    assert asked(console) == {"order": ["newest"], "limit": ["100"]}


def test_a_cursor_that_is_refused_is_passed_over(console: Console) -> None:
    """A cursor that the API refuses gets the first page of events, without an error."""
    browser = console.person()

    def answer(call: Call) -> Reply:
        if "before" in call.query:
            return problem(410, "event-cursor-expired")
        return Reply({"events": [event("a")], "next_after": "a"})

    console.gateway.on("GET", "/v1/events", answer)
    page = browser.get(f"{PAGE}?before=41")
    assert page.status_code == 200
    assert '<tr data-row="a">' in page.text
    assert "First page" not in page.text


def test_a_page_of_a_kind_may_be_empty_before_the_last(console: Console) -> None:
    """A page without events before the last page says so, and has a link to the next page."""
    page = shown(console, before=OLDER, query="?kind=file.moved")
    assert "There may be more on the next page." in page
    assert 'rel="next"' in page
    assert "Nothing has happened yet" in shown(console)
    assert "Nothing more" in shown(console, query="?before=3")


def test_the_first_page_goes_on_by_itself(console: Console) -> None:
    """The open first page of events adds new events; a later page adds no events."""
    page = shown(console, event("7"), event("5"))
    assert 'data-live="#activity" data-live-of="events"' in page
    assert 'data-live-after="7"' in page
    assert '<tr data-row="5">' in page
    page = shown(console, event("7", "file.deleted"), query="?kind=file.deleted")
    assert 'data-kind="file.deleted"' in page
    assert "data-live-after" not in page
    assert "data-live=" not in shown(console, event("7"), query="?before=9")


def test_owners_alone_see_it(console: Console) -> None:
    """Only owners see the page of events, because it lists events of the whole tenant."""
    assert console.person("editor").get(PAGE).status_code == 403


def test_an_endpoint_that_was_disabled(console: Console) -> None:
    """The page names a webhook that was disabled, and its reason links to the endpoint."""
    note = {"endpoint": "019f", "reason": "The receiver answered 410 Gone."}
    page = shown(console, event("7", "webhook.disabled", endpoint=note))
    assert "A webhook was disabled" in page
    assert '<a href="/console/webhooks/019f"><bdi>The receiver answered 410 Gone.</bdi></a>' in page
