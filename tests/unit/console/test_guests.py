"""The pages of guests, which have an upload ticket: each state, and what is kept secret."""

from __future__ import annotations

import logging

import pytest

from tests.servers.console import Console
from tests.servers.console_tickets import TICKET, give_tickets, ticket_document
from tests.servers.fake_gateway import FakeGateway, Reply, problem
from tests.unit.console.test_templates import check

PAGE = f"/console/drop/{TICKET}"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types wharf; report-uri /console/csp-reports"
)


def test_a_guest_needs_no_login(console: Console) -> None:
    """A guest needs no login: the form uses the ticket, and the console's only API call has the
    ticket as its token.
    """
    give_tickets(console.gateway, allowed_types=["image/*"])
    page = console.visitor().get(PAGE).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "<h1>Upload files for <bdi>acme</bdi></h1>" in page
    assert f'action="/u/{TICKET}"' in page
    assert 'accept="image/*"' in page
    assert f'data-ticket="{TICKET}"' in page
    assert "data-csrf" not in page
    for words in ("Pictures", "5 MB", "<dd>20</dd>", 'datetime="2026-11-18T11:00:00Z"'):
        assert words in page
    [call] = console.gateway.calls
    assert call.fields["authorization"] == f"Bearer {TICKET}"


def test_the_page_is_in_the_guests_language(console: Console) -> None:
    """A guest whose browser asks for Chinese gets the page in Chinese."""
    give_tickets(console.gateway)
    page = console.visitor().get(PAGE, headers={"Accept-Language": "zh"}).text
    assert '<html lang="zh-Hans">' in page
    assert "上传文件给" in page
    check("guest", page)


def test_a_ticket_for_one_file_takes_one(console: Console) -> None:
    """The page of a ticket for one key takes one file, and shows its name."""
    give_tickets(console.gateway, key="in/<cv>.pdf", prefix=None, max_files=None)
    page = console.visitor().get(PAGE).text
    assert "multiple" not in page
    assert "webkitdirectory" not in page
    assert "<bdi>in/&lt;cv&gt;.pdf</bdi>" in page
    assert "Files that may still come" not in page


@pytest.mark.parametrize("path", [PAGE, "/console/drop/sent", "/console/drop/no+ticket"])
def test_the_policy_is_the_guests_own(console: Console, path: str) -> None:
    """The policy of guests' pages forbids pictures of contents; other sites get no `Referer`."""
    give_tickets(console.gateway)
    headers = console.visitor().get(path).headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == ("same-origin" if path == PAGE else "no-referrer")


@pytest.mark.parametrize(
    ("reply", "status", "heading"),
    [
        (problem(401, "token-expired"), 410, "This upload page has expired"),
        (problem(401, "token-revoked"), 410, "This upload page has expired"),
        (problem(401, "token-malformed"), 404, "This upload page is not valid"),
        (problem(404, "not-found"), 404, "This upload page is not valid"),
        (problem(403, "tenant-suspended"), 404, "This upload page is not valid"),
        (Reply(ticket_document(files=20)), 410, "This upload page is used up"),
        (Reply(ticket_document(files=21, max_files=1)), 410, "This upload page is used up"),
    ],
)
def test_a_ticket_that_is_not_good_says_why(
    console: Console, reply: Reply, status: int, heading: str
) -> None:
    """A ticket that is expired, invalid or used up gets a page with the reason and no form."""
    console.gateway.on("GET", "/v1/ticket", reply)
    answer = console.visitor().get(PAGE)
    assert answer.status_code == status
    assert f"<h1>{heading}</h1>" in answer.text
    assert "Ask whoever invited you" in answer.text
    assert "/u/" not in answer.text
    assert "data-uploads" not in answer.text
    check(heading, answer.text)


@pytest.mark.parametrize("ticket", ["x%0Ay", "%E5%A5%BD", "a%20b", "a" * 9000, "<script>"])
def test_what_is_no_ticket_is_not_asked_for(console: Console, ticket: str) -> None:
    """A malformed ticket, which no header field can contain, gets 404 without a call of the API."""
    assert console.visitor().get(f"/console/drop/{ticket}").status_code == 404
    assert console.gateway.calls == []


def test_a_service_that_is_away_is_no_end(console: Console, gateway: FakeGateway) -> None:
    """While the API is unavailable the page says to try again."""
    gateway.close()
    assert console.visitor().get(PAGE).status_code == 503


def test_a_guest_who_has_sent_files_is_thanked(console: Console) -> None:
    """After an upload the page says how many files arrived, and this browser gets a link back."""
    give_tickets(console.gateway, files=3)
    browser = console.visitor()
    browser.get(PAGE)
    give_tickets(console.gateway, files=5)
    page = browser.get("/console/drop/sent").text
    assert "<h1>Your files have arrived</h1>" in page
    assert "2 files have come" in page
    assert f'href="{PAGE}"' in page
    check("sent", page)


def test_a_guest_of_whom_nothing_was_stored_is_not_thanked(console: Console) -> None:
    """A guest's page after a refused upload says that no new file has arrived."""
    give_tickets(console.gateway, files=3)
    browser = console.visitor()
    browser.get(PAGE)
    page = browser.get("/console/drop/sent").text
    assert "<h1>No new file has arrived</h1>" in page
    assert f'href="{PAGE}"' in page
    check("not sent", page)


@pytest.mark.parametrize("is_known", [True, False])
def test_what_nobody_knows_is_not_told(console: Console, *, is_known: bool) -> None:
    """A guest's page claims no arrival when the browser has no ticket or an expired ticket."""
    give_tickets(console.gateway)
    browser = console.visitor()
    if is_known:
        browser.get(PAGE)
        console.gateway.on("GET", "/v1/ticket", problem(401, "token-expired"))
    page = browser.get("/console/drop/sent").text
    assert "<h1>Your upload page</h1>" in page
    assert "have arrived</h1>" not in page
    assert (f'href="{PAGE}"' in page) == is_known
    check("unknown", page)


@pytest.mark.parametrize("referer", [f"http://localhost{PAGE}", "https://evil.example/x"])
def test_nobody_else_says_where_the_way_back_leads(console: Console, referer: str) -> None:
    """A guest's page after an upload does not use the request's `Referer` as a link back."""
    page = console.visitor().get("/console/drop/sent", headers={"Referer": referer}).text
    assert "/console/drop/" not in page.replace("/console/drop/sent", "")


def test_a_person_who_looks_at_it_keeps_the_own_queue_out(console: Console) -> None:
    """The guest's page does not use the upload queue of a person who is logged in."""
    browser = console.person()
    give_tickets(console.gateway)
    page = browser.get(PAGE).text
    assert page.count("data-queue=") == 1
    assert 'data-queue="user-1"' not in page


def test_no_ticket_is_in_the_log(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    """The log masks the ticket, even when a browser reports a violated policy."""
    report = {
        "csp-report": {"document-uri": f"http://localhost{PAGE}", "blocked-uri": f"/u/{TICKET}"}
    }
    with caplog.at_level(logging.INFO):
        console.visitor().client.post("/console/csp-reports", json=report)
    [line] = [one for one in caplog.records if one.name == "wharf_console.csp_reports"]
    assert line.__dict__["fields"]["page"] == "http://localhost/console/drop/(masked)"
    assert TICKET not in str(line.__dict__["fields"])
