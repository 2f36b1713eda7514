"""Uploads on pages: the form without scripts, its redirect, and the tickets for scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.servers.console import Browser, Console, console_on
from tests.servers.console_tickets import (
    TICKET,
    give_tickets,
    refuse_tickets,
    rules_of,
    ticket_document,
)
from tests.servers.fake_gateway import Call, FakeGateway, Reply, problem
from tests.unit.console.test_request_checks import form_token
from wharf_console.settings import Settings

PAGE = "/console/b/docs/upload?prefix=a/b/"
ASK = {"bucket": "docs", "prefix": "a/"}
# The rules of a ticket for a page, without the folder.
ONLY = {"bucket": "docs", "max_files": 100, "methods": ["POST"]}
SCRIPT = {"Accept": "application/json"}


def test_the_form_goes_to_the_ticket(console: Console) -> None:
    """The upload form posts several files to the address of a ticket and needs no script."""
    browser = console.person("editor")
    asked = give_tickets(console.gateway)
    page = browser.get(PAGE).text
    assert f'<form method="post" enctype="multipart/form-data" action="/u/{TICKET}">' in page
    assert '<input type="file" name="files" multiple required>' in page
    [call] = asked
    assert "authorization" not in call.fields
    assert call.form["subject_token"] == ["access-1"]
    assert call.form["expires_in"] == ["900"]
    rules = rules_of(call)
    [afterwards] = rules.pop("redirect")
    assert rules == {**ONLY, "prefix": "a/b/"}
    whole = r"http://localhost/console/b/docs/uploaded\?prefix=a/b/&form=[\w-]{12}"
    assert re.fullmatch(whole, afterwards)


@pytest.mark.parametrize(
    ("rules", "accept"),
    [
        ({"allowed_types": ["image/*", "application/pdf"]}, "image/*,application/pdf"),
        ({"allowed_extensions": ["jpg", "tar.gz"], "allowed_types": ["image/*"]}, ".jpg,.gz"),
        ({"allowed_types": ["*/*"]}, ""),
    ],
)
def test_the_field_offers_what_the_policy_takes(
    console: Console, rules: dict[str, list[str]], accept: str
) -> None:
    """The upload form's file field accepts the policy's extensions or types.

    A policy with `*/*` has no effect on the file field.
    """
    browser = console.person()
    give_tickets(console.gateway, **rules)
    found = re.search(r'accept="([^"]*)"', browser.get(PAGE).text)
    assert (found[1] if found else "") == accept


def test_the_page_says_what_is_taken(console: Console) -> None:
    """The upload page shows the accepted types in words, and the smallest limit of a file."""
    browser = console.person()
    give_tickets(console.gateway, allowed_types=["image/*", "text/x-odd"])
    page = browser.get(PAGE).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "<dd>Pictures, text/x-odd</dd>" in page
    assert "<dd>5 MB</dd>" in page


def test_the_refusal_of_an_upload_can_lead_back(console: Console) -> None:
    """A browser sends the address of the upload page to this origin, so a refusal can link to the
    page. The first page's address is not sent.
    """
    browser = console.person()
    give_tickets(console.gateway)
    assert browser.get(PAGE).headers["Referrer-Policy"] == "same-origin"
    assert browser.get("/console/").headers["Referrer-Policy"] == "no-referrer"


def afterwards(browser: Browser, asked: list[Call]) -> str:
    """Open the upload page, and return the path to which its form redirects."""
    browser.get(PAGE)
    [address] = rules_of(asked[-1])["redirect"]
    return str(address).removeprefix("http://localhost")


def test_the_way_back_tells_that_files_are_there(console: Console) -> None:
    """After an upload the person sees the folder's list with a message that files are uploaded."""
    browser = console.person()
    address = afterwards(browser, give_tickets(console.gateway))
    give_tickets(console.gateway, files=2)
    reply = browser.get(address)
    assert (reply.status_code, reply.location) == (303, "/console/b/docs/?prefix=a/b/")
    assert 'role="status">Your files are uploaded.' in browser.get(reply.location).text


def test_a_refusal_that_leads_there_is_no_success(console: Console) -> None:
    """The list after a refused upload says that no new file has arrived."""
    browser = console.person()
    address = afterwards(browser, give_tickets(console.gateway))
    for files, words in ((0, "No new"), (1, "Your files"), (1, "No new"), (3, "Your files")):
        give_tickets(console.gateway, files=files)
        text = browser.get(browser.get(address).location).text
        assert ("Your files are uploaded." in text) == (words == "Your files")
        assert ("No new file has arrived." in text) == (words == "No new")


@pytest.mark.parametrize("mark", ["", "?form=", "?form=of-another-session"])
def test_nobody_is_made_to_believe_so(console: Console, mark: str) -> None:
    """The list claims no upload when another link than this session's redirect leads to it."""
    browser = console.person()
    give_tickets(console.gateway, files=1)
    browser.get(PAGE)
    reply = browser.get(f"/console/b/docs/uploaded{mark}")
    assert reply.status_code == 303
    text = browser.get(reply.location).text
    assert "Your files are uploaded." not in text
    assert "No new file has arrived." not in text


def test_a_ticket_that_has_expired_tells_nothing(console: Console) -> None:
    """The list after an upload with an expired ticket claims neither success nor failure."""
    browser = console.person()
    address = afterwards(browser, give_tickets(console.gateway))
    console.gateway.on("GET", "/v1/ticket", problem(401, "token-expired"))
    text = browser.get(browser.get(address).location).text
    assert "Your files are uploaded." not in text
    assert "No new file has arrived." not in text


def test_a_long_folder_is_left_out_of_the_way_back(console: Console) -> None:
    """The redirect of the upload form omits a folder that makes the address too long for auth."""
    browser = console.person()
    asked = give_tickets(console.gateway)
    browser.get("/console/b/docs/upload?prefix=" + "%E5%A5%BD" * 300)
    [address] = rules_of(asked[-1])["redirect"]
    assert re.fullmatch(r"http://localhost/console/b/docs/uploaded\?form=[\w-]{12}", address)
    assert len(rules_of(asked[-1])["prefix"]) == 301


@pytest.mark.parametrize("prefix", ["a/b", "/a/b/", " a/b "])
def test_a_folder_is_a_folder_however_it_is_written(console: Console, prefix: str) -> None:
    """The prefix of an upload page's ticket ends with a slash, because `a/b` also allows `a/bc`."""
    browser = console.person()
    asked = give_tickets(console.gateway)
    browser.get("/console/b/docs/upload", query_string={"prefix": prefix})
    assert rules_of(asked[-1])["prefix"] == "a/b/"


@pytest.mark.parametrize(
    ("issuer", "base", "origin"),
    [
        ("https://files.example/auth", "https://files.example", "https://files.example"),
        ("https://files.example/auth", "http://files.example", "https://files.example"),
        ("https://files.example/auth", "http://other.example", "https://other.example"),
        ("http://127.0.0.1:8080/auth", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_the_way_back_is_the_persons_own(
    tmp_path: Path, gateway: FakeGateway, issuer: str, base: str, origin: str
) -> None:
    """The upload form's redirect has the browser's host name, and HTTPS if the issuer has HTTPS."""
    settings = Settings(data=tmp_path / "data", console_door=gateway.path, issuer=issuer)
    console = console_on(settings, gateway)
    login = "https://" + base.partition("://")[2] if issuer.startswith("https") else base
    browser = console.person(base_url=login)
    asked = give_tickets(gateway)
    scheme = {"wsgi.url_scheme": base.partition("://")[0]}
    browser.get("/console/b/docs/upload", environ_overrides=scheme)
    [address] = rules_of(asked[-1])["redirect"]
    assert address.startswith(f"{origin}/console/b/docs/uploaded?form=")


def test_a_bucket_that_is_not_there_has_no_page(console: Console) -> None:
    """The upload page of an absent bucket gets 404, and no ticket is made."""
    browser = console.person()
    asked = give_tickets(console.gateway)
    assert browser.get("/console/b/none/upload").status_code == 404
    assert asked == []


def test_scripts_get_tickets(console: Console) -> None:
    """A script gets a ticket for 15 minutes, 100 files, one bucket and one folder."""
    browser = console.person("editor")
    asked = give_tickets(console.gateway)
    headers = {**SCRIPT, "X-CSRFToken": form_token(browser)}
    reply = browser.client.post("/console/tickets", data=ASK, headers=headers)
    assert reply.status_code == 201
    assert reply.get_json() == {"ticket": TICKET, "expires_in": 900, "max_files": 100}
    assert reply.headers["Cache-Control"] == "no-store"
    assert rules_of(asked[-1]) == {**ONLY, "prefix": "a/"}


def test_scripts_get_none_without_a_token_of_their_session(console: Console) -> None:
    """A script without this session's form token gets a problem document, and no ticket is made."""
    browser, other = console.person(), console.person()
    asked = give_tickets(console.gateway)
    for headers in (SCRIPT, {**SCRIPT, "X-CSRFToken": form_token(other)}):
        reply = browser.client.post("/console/tickets", data=ASK, headers=headers)
        assert reply.status_code == 400
        assert reply.content_type == "application/problem+json"
    assert asked == []


def test_scripts_learn_that_the_session_is_over(console: Console) -> None:
    """A script gets 401, not the login page, when the console or auth has ended the session."""
    browser = console.person()
    token = form_token(browser)
    revoked = "The subject_token is not acceptable: it was revoked."
    refuse_tickets(console.gateway, revoked)
    headers = {**SCRIPT, "X-CSRFToken": token}
    ended = browser.client.post("/console/tickets", data=ASK, headers=headers)
    assert (ended.status_code, ended.get_json()["title"]) == (401, "Session ended")
    nobody = console.visitor()
    reply = nobody.client.post("/console/tickets", data=ASK, headers=headers)
    assert reply.status_code == 401


def test_a_token_that_expired_on_its_way_is_renewed(console: Console) -> None:
    """A token that auth calls expired is renewed and exchanged again, because clocks may differ."""
    browser = console.person()
    token, tried = form_token(browser), []

    def exchange(call: object) -> Reply:
        tried.append(call.form.get("subject_token"))  # type: ignore[attr-defined]
        if tried[-1] is None:
            return Reply(
                {"access_token": "access-9", "refresh_token": "refresh-9", "expires_in": 900}
            )
        if len(tried) == 1:
            text = "The subject_token is not acceptable: the token has expired."
            return Reply({"error": "invalid_request", "error_description": text}, 400)
        return Reply({"access_token": TICKET, "expires_in": 900})

    console.gateway.on("POST", "/auth/oauth/token", exchange)
    headers = {**SCRIPT, "X-CSRFToken": token}
    reply = browser.client.post("/console/tickets", data=ASK, headers=headers)
    assert reply.status_code == 201
    assert tried == [["access-1"], None, ["access-9"]]


@pytest.mark.parametrize("form", [{}, {"bucket": ""}, {"bucket": "x" * 2000}])
def test_scripts_that_say_nothing_get_nothing(console: Console, form: dict[str, str]) -> None:
    """A request for a ticket without a bucket gets 422."""
    browser = console.person()
    asked = give_tickets(console.gateway)
    headers = {**SCRIPT, "X-CSRFToken": form_token(browser)}
    reply = browser.client.post("/console/tickets", data=form, headers=headers)
    assert (reply.status_code, asked) == (422, [])


def test_a_refusal_is_told_to_scripts(console: Console) -> None:
    """If auth refuses the ticket for a script, the script gets the reason."""
    browser = console.person()
    token = form_token(browser)
    refuse_tickets(console.gateway, "A prefix has no dots.")
    headers = {**SCRIPT, "X-CSRFToken": token}
    reply = browser.client.post("/console/tickets", data=ASK, headers=headers)
    assert (reply.status_code, reply.get_json()["detail"]) == (400, "A prefix has no dots.")


def test_auth_that_is_away_is_told_to_scripts(console: Console) -> None:
    """A script gets 503 with `Retry-After` while auth is unavailable."""
    browser = console.person()
    token = form_token(browser)
    console.gateway.on("POST", "/auth/oauth/token", problem(503, "unavailable", retry_after=2))
    headers = {**SCRIPT, "X-CSRFToken": token}
    reply = browser.client.post("/console/tickets", data=ASK, headers=headers)
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")


def test_the_list_is_a_place_to_drop_files(console: Console) -> None:
    """The list of files has an area to drop files; pages for uploaders have the tray of uploads."""
    browser = console.person("editor")
    page = browser.get("/console/b/docs/?prefix=a/").text
    zone = '<div class="drop-zone" data-drop-zone data-bucket="docs" data-prefix="a/"'
    assert f'<div class="with-scripts">{zone}' in page
    assert 'data-region="#files"' in page
    assert 'data-queue="user-1"' in page
    assert 'data-tickets="/console/tickets"' in page
    assert "data-uploads" in browser.get("/console/").text


def test_a_viewer_has_neither(console: Console) -> None:
    """A viewer has neither the area to drop files nor the upload page."""
    browser = console.person("viewer")
    page = browser.get("/console/b/docs/").text
    assert "data-drop-zone" not in page
    assert "data-uploads" not in page
    assert browser.get(PAGE).status_code == 403


def test_names_do_no_harm(console: Console) -> None:
    """A folder's name and a media type are shown as text."""
    browser = console.person()
    give_tickets(console.gateway, **ticket_document(allowed_types=["<script>"]))
    page = browser.get("/console/b/docs/upload", query_string={"prefix": '"><script>x'}).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
