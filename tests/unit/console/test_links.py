"""Signed links: the form for a new link, the page of a link, and the revocation of all links."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.servers.console import Console, console_on
from tests.servers.console_documents import NOW
from tests.servers.console_links import kept_link, lists_links
from tests.servers.fake_gateway import FakeGateway, Reply, problem
from tests.unit.console.test_templates import check
from wharf_console.settings import Settings

PAGE, REVOKE = "/console/links", "/console/links/revoke"
FORM = {"bucket": "docs", "target": "a/b.pdf", "disposition": "inline", "expires_in": "86400"}


def give_links(gateway: FakeGateway, url: str = "/s/token") -> None:
    """Make the gateway create links that live a day."""
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW + 86400))
    made = {"id": "link-1", "url": url, "expires_at": until}
    gateway.on("POST", "/v1/links", Reply(made, 201))


def asked(console: Console) -> Any:
    """Return the body of the last request for a link."""
    return console.gateway.called("POST", "/v1/links")[-1].json


def test_a_link_to_a_file(console: Console) -> None:
    """A viewer can make a link; its page shows the full address."""
    browser = console.person("viewer")
    give_links(console.gateway)
    reply = browser.post(PAGE, FORM)
    assert reply.status_code == 303
    assert asked(console) == {
        "bucket": "docs",
        "key": "a/b.pdf",
        "expires_in": 86400,
        "disposition": "inline",
    }
    page = browser.get(reply.location).text
    assert 'value="http://localhost/s/token" readonly' in page
    assert "<svg" in page
    assert "Whoever has this link reads the file." in page
    check("link", page)


def test_a_link_to_a_folder(console: Console) -> None:
    """A target that ends with a slash makes a link to a folder."""
    browser = console.person()
    give_links(console.gateway, "/s/token/")
    form = {**FORM, "target": "a/", "disposition": "attachment"}
    page = browser.get(browser.post(PAGE, form).location).text
    assert asked(console)["prefix"] == "a/"
    assert "key" not in asked(console)
    assert "every file in the folder" in page


def test_contents_may_have_an_origin_of_their_own(tmp_path: Path, gateway: FakeGateway) -> None:
    """If the API returns a full address, the page shows it unchanged."""
    settings = Settings(data=tmp_path / "data", console_door=gateway.path)
    browser = console_on(settings, gateway).person()
    give_links(gateway, "https://content.example/s/token")
    page = browser.get(browser.post(PAGE, FORM).location).text
    assert 'value="https://content.example/s/token"' in page


@pytest.mark.parametrize(
    ("refusal", "place"),
    [
        (problem(404, "not-found"), "target-error"),
        (problem(400, "invalid-key", "No."), "target-error"),
        (problem(422, "unprocessable", "Too long.", limit_seconds=60), "expires_in-error"),
    ],
)
def test_a_refusal_stands_at_its_field(console: Console, refusal: Reply, place: str) -> None:
    """A refusal is shown at its field, and the form keeps its input."""
    browser = console.person()
    console.gateway.on("POST", "/v1/links", refusal)
    reply = browser.post(PAGE, FORM)
    assert reply.status_code == 422
    assert f'id="{place}"' in reply.text
    assert 'value="a/b.pdf"' in reply.text


@pytest.mark.parametrize(
    "fields", [{"target": ""}, {"disposition": "x"}, {"expires_in": "1"}, {"bucket": ""}]
)
def test_a_wrong_field_makes_no_link(console: Console, fields: dict[str, str]) -> None:
    """If a value of the form is missing or is not one of the choices, no link is made."""
    browser = console.person()
    reply = browser.post(PAGE, {**FORM, **fields})
    assert reply.status_code == 422
    assert console.gateway.called("POST", "/v1/links") == []
    check("wrong", reply.text)


def test_the_file_may_come_with_the_address(console: Console) -> None:
    """The form for a link is filled in with the bucket and key of the query, as text."""
    page = console.person().get(PAGE, query_string={"bucket": "x", "key": '<b>"'}).text
    assert 'value="&lt;b&gt;&#34;"' in page
    assert '<option selected value="x">' in page


def test_an_address_is_the_sessions(console: Console) -> None:
    """Another session of the same person lists the link, but does not show the link's address."""
    browser, other = console.person(), console.person()
    give_links(console.gateway)
    location = browser.post(PAGE, FORM).location
    lists_links(console.gateway, kept_link())
    assert location in browser.get(PAGE).text
    assert location not in other.get(PAGE).text
    assert "docs/a/b.pdf" in other.get(PAGE).text
    assert other.get(location).status_code == 404


def test_there_may_be_too_many(console: Console) -> None:
    """A refusal because of too many links is shown in the form."""
    refused = problem(409, "tenant-limit-reached", "The tenant has 5 links already. End some.")
    console.gateway.on("POST", "/v1/links", refused)
    reply = console.person().post(PAGE, FORM)
    assert reply.status_code == 422
    assert "The tenant has 5 links already. End some." in reply.text


def test_all_links_are_revoked_after_a_question(console: Console) -> None:
    """An owner can revoke all links after a confirmation."""
    browser = console.person("owner")
    give_links(console.gateway)
    console.gateway.on("POST", "/v1/links/rotate", Reply(status=204))
    location = browser.post(PAGE, FORM).location
    lists_links(console.gateway, kept_link())
    assert f'href="{REVOKE}" data-confirm' in browser.get(PAGE).text
    question = browser.get(REVOKE).text
    assert "data-dialog" in question
    check("question", question)
    browser.post(REVOKE, {})
    assert console.gateway.called("POST", "/v1/links/rotate") == []
    done = browser.post(REVOKE, {"confirmed": "yes"})
    assert (done.status_code, done.location) == (303, PAGE)
    assert len(console.gateway.called("POST", "/v1/links/rotate")) == 1
    assert location not in browser.get(PAGE).text


def test_nobody_else_revokes(console: Console) -> None:
    """An editor sees no button that revokes all links, and gets 403 for the request."""
    browser = console.person("editor")
    assert REVOKE not in browser.get(PAGE).text
    assert browser.get(REVOKE).status_code == 403
    assert browser.post(REVOKE, {"confirmed": "yes"}).status_code == 403


def test_a_form_of_another_session_does_nothing(console: Console) -> None:
    """A form without a token, or with the token of another session, makes and revokes no link."""
    browser, other = console.person(), console.person()
    for path, form in ((PAGE, FORM), (REVOKE, {"confirmed": "yes"})):
        for token in ({}, {"csrf_token": other.token()}):
            assert browser.client.post(path, data={**form, **token}).status_code == 400
    assert not any(call.path.startswith("/v1/links") for call in console.gateway.calls)
