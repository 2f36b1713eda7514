"""Links that are made on the pages of files."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.servers.console import Console
from tests.servers.fake_gateway import Call, Reply, problem

LINKS = "/console/b/docs/links"


def serve_links(console: Console, url: str = "/s/") -> None:
    """Make the gateway create links, except for the key `gone`."""

    def make(call: Call) -> Reply:
        key = call.json["key"]
        if key == "gone":
            return problem(404, "not-found")
        return Reply({"url": f"{url}{key}", "expires_at": "2026-11-19T10:00:00Z"}, 201)

    console.gateway.on("POST", "/v1/links", make)


def test_a_form_asks_for_how_long(console: Console) -> None:
    """The form for links asks for their lifetime, by default a day, and makes no link yet."""
    serve_links(console)
    form = {"key": ["a", "b"], "back": "/console/b/docs/?prefix=x/"}
    page = console.person("viewer").post(LINKS, form).text
    assert "Links to 2 files" in page
    assert "data-dialog" in page
    assert '<option selected value="86400">A day</option>' in page
    assert '<a href="/console/b/docs/?prefix=x/" data-close>' in page
    assert console.gateway.called("POST", "/v1/links") == []


def test_links_are_whole_addresses_to_be_copied(console: Console) -> None:
    """The page of new links has a full address for each file, and a QR code for a single file."""
    serve_links(console)
    browser = console.person("viewer", base_url="http://localhost:8080")
    form: dict[str, Any] = {"key": ["a", "b"], "confirmed": "yes", "seconds": "3600"}
    page = browser.post(LINKS, {**form, "disposition": "attachment"})
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert re.findall('readonly value="([^"]+)"', page.text) == [
        "http://localhost:8080/s/a",
        "http://localhost:8080/s/b",
    ]
    assert "<svg" not in page.text
    assert [call.json for call in console.gateway.called("POST", "/v1/links")] == [
        {"bucket": "docs", "key": key, "expires_in": 3600, "disposition": "attachment"}
        for key in ("a", "b")
    ]
    one = browser.post(LINKS, {**form, "key": "a", "disposition": "inline"}).text
    assert "<svg" in one
    assert "The link as a QR code" in one


def test_a_link_on_another_origin_stays_as_it_is(console: Console) -> None:
    """A link that the API returns with another origin is shown unchanged."""
    serve_links(console, "https://content.example/s/")
    form = {"key": "a", "confirmed": "yes", "seconds": "3600", "disposition": "inline"}
    page = console.person().post(LINKS, form).text
    assert 'value="https://content.example/s/a"' in page


def test_files_that_are_gone_have_no_link(console: Console) -> None:
    """A deleted file gets no link, but other selected files do; a single deleted file gets 404."""
    serve_links(console)
    browser = console.person()
    form = {"confirmed": "yes", "seconds": "3600", "disposition": "inline"}
    page = browser.post(LINKS, {**form, "key": ["gone", "b"]}).text
    assert re.findall('readonly value="([^"]+)"', page) == ["http://localhost/s/b"]
    assert browser.post(LINKS, {**form, "key": "gone"}).status_code == 404


@pytest.mark.parametrize("seconds", ["", "1", "x", "99999999"])
def test_a_time_that_is_no_choice_makes_no_link(console: Console, seconds: str) -> None:
    """A lifetime that the form does not offer makes no link, and the form shows the error."""
    serve_links(console)
    form = {"key": "a", "confirmed": "yes", "seconds": seconds, "disposition": "inline"}
    page = console.person().post(LINKS, form)
    assert page.status_code == 422
    assert 'aria-invalid="true"' in page.text
    assert console.gateway.called("POST", "/v1/links") == []


@pytest.mark.parametrize(
    ("status", "slug", "words"),
    [
        (422, "unprocessable", "expires_in is at most 60 seconds."),
        (409, "tenant-limit-reached", "The tenant has 5 links already. End some."),
    ],
)
def test_a_limit_of_the_service_is_told(
    console: Console, status: int, slug: str, words: str
) -> None:
    """A refusal because of the operator's limits on links is shown in the form."""
    console.gateway.on("POST", "/v1/links", problem(status, slug, words))
    form = {"key": "a", "confirmed": "yes", "seconds": "3600", "disposition": "inline"}
    page = console.person().post(LINKS, form)
    assert page.status_code == 422
    assert words in page.text
