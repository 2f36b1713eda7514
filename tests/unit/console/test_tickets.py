"""Tickets that people make for guests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.servers.console import Console, console_on
from tests.servers.console_documents import LOGIN, bucket_document
from tests.servers.console_tickets import TICKET, give_tickets, refuse_tickets, rules_of
from tests.servers.fake_gateway import FakeGateway, Reply
from tests.unit.console.test_templates import check
from wharf_console.api.tickets import ANY_NUMBER
from wharf_console.settings import Settings

NEW = "/console/tickets/new"
FORM = {"bucket": "docs", "prefix": "in", "max_files": "5", "expires_in": "3600", "kind": ""}
SENT = "http://localhost/console/drop/sent"


def made(console: Console, **fields: Any) -> tuple[str, dict[str, Any]]:
    """Return the page of a new ticket, and the ticket's rules."""
    browser = console.person("editor")
    asked = give_tickets(console.gateway)
    reply = browser.post(NEW, {**FORM, **fields})
    assert reply.status_code == 303, reply.text
    return browser.get(reply.location).text, rules_of(asked[-1])


def test_a_ticket_is_made_in_a_few_fields(console: Console) -> None:
    """The page of a new ticket has the guest's address as text and as a QR code."""
    page, rules = made(console)
    assert rules == {"bucket": "docs", "prefix": "in/", "max_files": 5, "redirect": [SENT]}
    assert f'value="http://localhost/console/drop/{TICKET}" readonly' in page
    assert 'data-copy="#address"' in page
    assert "<svg" in page
    assert "QR code with the address for your guest" in page
    assert "docs/in/" in page
    check("made", page)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"kind": "image/*"}, {"allowed_types": ["image/*"]}),
        (
            {"kind": "other", "types": "application/zip, text/csv;text/html"},
            {"allowed_types": ["application/zip", "text/csv", "text/html"]},
        ),
        ({"kind": "image/*", "types": "text/csv"}, {"allowed_types": ["image/*"]}),
        ({"megabytes": "1.5"}, {"max_file_bytes": 1_500_000}),
        ({"key": "cv.pdf"}, {"key": "in/cv.pdf", "prefix": None, "create_only": True}),
        ({"key": "cv.pdf", "replaces": "y"}, {"key": "in/cv.pdf", "prefix": None}),
        ({"prefix": "", "max_files": ""}, {"prefix": "", "max_files": ANY_NUMBER}),
    ],
)
def test_more_rules_narrow_the_ticket(
    console: Console, fields: dict[str, str], expected: dict[str, Any]
) -> None:
    """An optional field narrows the ticket; an empty optional field adds no rule."""
    _, rules = made(console, **fields)
    plain = {"bucket": "docs", "prefix": "in/", "max_files": 5, "redirect": [SENT]}
    wanted = {**plain, **expected}
    assert rules == {name: value for name, value in wanted.items() if value is not None}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_files": "0"}, "Enter 1 or more"),
        ({"max_files": "many"}, "Enter a whole number"),
        ({"megabytes": "-1"}, "Number must be"),
        ({"megabytes": "NaN"}, "Number must be"),
        ({"kind": "other", "types": " , "}, "Name at least one type"),
        ({"expires_in": "999999999"}, "Not a valid choice"),
        ({"expires_in": "x"}, "Not a valid choice"),
        ({"bucket": ""}, "Choose a bucket."),
    ],
)
def test_a_wrong_field_is_told(console: Console, fields: dict[str, str], words: str) -> None:
    """A wrong field is explained and no ticket is made; the other fields keep their values."""
    browser = console.person()
    asked = give_tickets(console.gateway)
    reply = browser.post(NEW, {**FORM, **fields})
    assert (reply.status_code, asked) == (422, [])
    assert words in reply.text
    assert 'value="in"' in reply.text
    check("wrong", reply.text)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("expires_in is a whole number of seconds from 1 to 60.", "expires_in"),
        ("'x' is no media type; send some like image/png or image/*.", "types"),
        ("The key is not allowed.", ""),
    ],
)
def test_the_words_of_auth_stand_at_their_field(console: Console, words: str, field: str) -> None:
    """A refusal of auth is shown at its field, or above the form if it names no field."""
    browser = console.person()
    refuse_tickets(console.gateway, words)
    reply = browser.post(NEW, {**FORM, "kind": "other", "types": "x"})
    assert reply.status_code == 422
    place = f'id="{field}-error"' if field else 'role="alert"'
    assert place in reply.text


def test_a_bucket_that_is_gone_is_told(console: Console) -> None:
    """The console refuses a ticket for an absent bucket, which auth would accept."""
    browser = console.person()
    asked = give_tickets(console.gateway)
    reply = browser.post(NEW, {**FORM, "bucket": "gone"})
    assert (reply.status_code, asked) == (422, [])
    assert "There is no such bucket." in reply.text


def test_no_more_time_is_offered_than_auth_gives(tmp_path: Path, gateway: FakeGateway) -> None:
    """The longest lifetime in the form is the lifetime that the setting allows."""
    settings = Settings(data=tmp_path / "data", console_door=gateway.path, ticket_ttl_seconds=5400)
    page = console_on(settings, gateway).person().get(NEW).text
    assert 'value="900">15 minutes<' in page
    assert 'selected value="3600">1 hour<' in page
    assert 'value="5400">' in page
    assert 'value="28800">' not in page


def test_what_was_made_is_listed_until_it_ends(console: Console) -> None:
    """A ticket is listed until it expires, and only in the session that made it."""
    browser = console.person()
    give_tickets(console.gateway)
    location = browser.post(NEW, FORM).location
    assert f'href="{location}"' in browser.get("/console/tickets").text
    other = console.person()
    assert location not in other.get("/console/tickets").text
    assert other.get(location).status_code == 404
    console.clock.now += 3601
    assert browser.get(location).status_code == 404
    assert location not in browser.get("/console/tickets").text


def test_the_last_ten_are_kept(console: Console) -> None:
    """A session keeps its last ten tickets."""
    browser = console.person()
    give_tickets(console.gateway)
    places = [browser.post(NEW, FORM).location for _ in range(12)]
    page = browser.get("/console/tickets").text
    assert [place in page for place in places] == [False] * 2 + [True] * 10


def test_the_guests_address_is_not_this_machines(tmp_path: Path, gateway: FakeGateway) -> None:
    """The guest's address has the public host name, even when the owner uses another host name."""
    settings = Settings(
        data=tmp_path / "data", console_door=gateway.path, issuer="https://files.example/auth"
    )
    browser = console_on(settings, gateway).person(base_url="https://localhost")
    give_tickets(gateway)
    page = browser.get(browser.post(NEW, FORM).location).text
    assert f"https://files.example/console/drop/{TICKET}" in page


def test_a_ticket_too_long_for_a_picture_has_an_address(console: Console) -> None:
    """A ticket that is too long for a QR code is shown as an address only."""
    browser = console.person()
    long = Reply({"access_token": "x" * 5000, "expires_in": 3600})
    console.gateway.on("POST", "/auth/oauth/token", long)
    page = browser.get(browser.post(NEW, FORM).location).text
    assert "x" * 5000 in page
    assert "<svg" not in page


def test_a_form_of_another_session_makes_nothing(console: Console) -> None:
    """A form without a token, or with the token of another session, makes no ticket."""
    browser, other = console.person(), console.person()
    asked = give_tickets(console.gateway)
    for form in (FORM, {**FORM, "csrf_token": other.token()}):
        assert browser.client.post(NEW, data=form).status_code == 400
    assert asked == []


def test_bucket_and_folder_may_come_with_the_address(console: Console) -> None:
    """The form for a ticket is filled in with the bucket and folder of the query, as text."""
    evil = '"><script>'
    console.gateway.on("GET", "/v1/buckets", Reply({"buckets": [bucket_document("a")]}))
    page = console.person().get(NEW, query_string={"bucket": evil, "prefix": evil}).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_what_was_typed_is_there_after_a_new_login(console: Console) -> None:
    """A form that was sent after the session's end is shown with its input after the next login."""
    browser = console.person()
    refuse_tickets(console.gateway, "The subject_token is not acceptable: it was revoked.")
    reply = browser.post(NEW, {**FORM, "prefix": "typed before"})
    assert reply.location == f"/console/login?next={NEW}"
    give_tickets(console.gateway)
    assert browser.post("/console/login", {**LOGIN, "next": NEW}).location == NEW
    assert 'value="typed before"' in browser.get(NEW).text


def test_a_tenant_without_buckets_is_told_so(console: Console) -> None:
    """The form for a ticket says when the tenant has no bucket."""
    console.gateway.on("GET", "/v1/buckets", Reply({"buckets": []}))
    page = console.person().get(NEW).text
    assert "There is no bucket yet." in page
    check("no bucket", page)
