"""Error pages: what happened, and what the person can do next."""

from __future__ import annotations

import re

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import LOGIN, grant
from tests.servers.fake_gateway import Call, Reply, problem


def heading(page: str) -> str:
    """Return the text of the only heading of the first rank."""
    [found] = re.findall(r"<h1>(.*?)</h1>", page, re.DOTALL)
    return re.sub(r"<[^>]+>", "", found).strip()


def test_what_is_gone_has_a_way_up(console: Console) -> None:
    """The page of an absent bucket has a link to the start page."""
    browser = console.person()
    page = browser.get("/console/b/nothing/")
    assert page.status_code == 404
    assert heading(page.text) == "Not found"
    assert '<a href="/console/">One level up' in page.text
    assert browser.get("/console/no-such-page").status_code == 404


def test_another_tenants_bucket_is_like_none(console: Console) -> None:
    """The page of another tenant's bucket equals the page of an absent bucket."""
    browser = console.person()
    pages = [browser.get(f"/console/b/{name}/").text for name in ("theirs", "nobodys")]
    # A form's token changes every second, so the comparison leaves it out.
    names = r'value="[^"]+"|data-csrf="[^"]+"|theirs|nobodys'
    first, second = (re.sub(names, "", page) for page in pages)
    assert first == second


def test_no_answer_is_a_page_that_says_when_to_try_again(console: Console) -> None:
    """Without a response of the API the page has 503, `Retry-After` and the request id."""
    browser = console.person()
    console.gateway.close()
    page = browser.get("/console/")
    assert page.status_code == 503
    assert page.headers["Retry-After"] == "5"
    assert heading(page.text) == "Wharf does not answer"
    assert "Try again in 5 seconds." in page.text
    assert page.headers["X-Request-Id"] in page.text
    assert '<a role="button" href="/console/">Try again</a>' in page.text


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        (problem(503, "unavailable", "Busy.", retry_after=2), 503, "Try again in 2 seconds."),
        (problem(500, "internal-error", "A fault."), 503, "request-of-the-api"),
        (problem(429, "quota-exceeded", "Slower.", retry_after=1), 429, "Try again in 1 second."),
        (problem(412, "precondition-failed", "x"), 412, "Changed meanwhile"),
        (problem(403, "insufficient-scope", "x", required_scope="buckets:admin"), 403, "“owner”"),
        (problem(403, "forbidden", "Not you."), 403, "Not you."),
        (Reply({"strange": 1}, 418), 418, "I&#39;m a Teapot"),
        (Reply(None, 502), 503, "Bad Gateway"),
    ],
)
def test_a_refusal_of_the_api_is_a_page(
    console: Console, reply: Reply, status: int, words: str
) -> None:
    """A refusal of the API becomes a page with the API's words, or with words for people."""
    browser = console.person()
    console.gateway.on("GET", "/v1/usage", reply)
    page = browser.get("/console/")
    assert page.status_code == status
    assert words in page.text


def test_a_change_without_an_answer_may_have_been_made(console: Console) -> None:
    """If a change gets no response, the page says that the change may have been made."""
    browser = console.person()
    form = {"key": "a", "confirmed": "yes", "csrf_token": browser.token()}
    console.gateway.close()
    page = browser.client.post("/console/b/docs/delete", data=form)
    assert page.status_code == 503
    assert "Look whether your change was made" in page.text
    assert "Nothing was lost" not in page.text


def test_over_quota_says_which_limit_and_how_far(console: Console) -> None:
    """The page of an exceeded quota shows the limit and the current use."""
    browser = console.person()
    members = {
        "used_bytes": 900,
        "limit_bytes": 1000,
        "used_files": 3,
        "limit_files": None,
        "needed_bytes": 200,
        "needed_files": 1,
    }
    console.gateway.on("GET", "/v1/usage", problem(507, "tenant-quota-exceeded", "x", **members))
    page = browser.get("/console/")
    assert page.status_code == 507
    assert "900 bytes of 1 kB" in page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Files: 3" in page.text


def test_an_answer_that_cannot_be_read_is_a_fault(console: Console) -> None:
    """A response of the API that cannot be read gives a 500 page without its content."""
    browser = console.person()
    console.gateway.on("GET", "/v1/usage", Reply({"bytes": "<script>"}))
    page = browser.get("/console/")
    assert page.status_code == 500
    assert "script&gt;" not in page.text
    assert page.headers["X-Request-Id"] in page.text


def test_a_script_gets_a_document(console: Console) -> None:
    """A request that accepts JSON gets a problem document, and 401 without a session."""
    headers = {"Accept": "application/json"}
    browser = console.person()
    console.gateway.on("GET", "/v1/usage", problem(403, "forbidden", "Not you."))
    reply = browser.get("/console/", headers=headers)
    assert (reply.status_code, reply.content_type) == (403, "application/problem+json")
    assert reply.get_json()["detail"] == "Not you."
    assert console.visitor().get("/console/", headers=headers).status_code == 401


def test_typed_text_outlives_the_session(console: Console) -> None:
    """A form's input is shown once after the next login of the same person, without passwords."""
    browser = console.person()
    _add_page_with_a_form(console)
    form = {"note": "a long text", "password": "not kept", "csrf_token": browser.token()}
    console.gateway.on("GET", "/v1/usage", problem(401, "token-revoked"))
    ended = browser.client.post("/console/note", data=form)
    assert (ended.status_code, ended.location) == (303, "/console/login?next=/console/note")
    grant(console.gateway)
    browser.post("/console/login", {**LOGIN, "next": "/console/note"})
    console.gateway.on("GET", "/v1/usage", Reply({"bytes": 0, "files": 0, "allowed": {}}))
    assert browser.get("/console/note").text == "a long text|"
    assert browser.get("/console/note").text == "|"


def test_typed_text_is_not_shown_to_another_person(console: Console) -> None:
    """A form's input is not shown to another person who logs in in the same browser."""
    browser = console.person()
    _add_page_with_a_form(console)
    form = {"note": "a long text", "csrf_token": browser.token()}
    console.gateway.on("GET", "/v1/usage", problem(401, "token-revoked"))
    browser.client.post("/console/note", data=form)
    grant(console.gateway, user_id="user-2")
    browser.post("/console/login", LOGIN)
    assert browser.get("/console/note").text == "|"


def _add_page_with_a_form(console: Console) -> None:
    from wtforms import PasswordField, StringField

    from wharf_console.api import buckets
    from wharf_console.forms.base import ConsoleForm
    from wharf_console.web.current import api

    class Note(ConsoleForm):
        note = StringField()
        password = PasswordField()

    def note() -> str:
        form = Note()
        if form.is_submitted():
            buckets.usage(api())
        return f"{form.note.data or ''}|{form.password.data or ''}"

    console.app._got_first_request = False
    console.app.add_url_rule("/console/note", view_func=note, methods=["GET", "POST"])


def test_a_call_passes_on_who_asks(console: Console) -> None:
    """A call of the API has the browser's address, program and host, and the request id."""
    browser = console.person()
    reply = browser.get(
        "/console/",
        environ_overrides={"REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "4711"},
        headers={"User-Agent": "Browser/1 \r\nX: y".replace("\r\n", "")},
    )
    call: Call = console.gateway.called("GET", "/v1/buckets")[-1]
    assert call.proxy_line == "PROXY TCP4 192.0.2.7 127.0.0.1 4711 80"
    assert call.fields["user-agent"] == "Browser/1 X: y"
    assert call.fields["x-request-id"] == reply.headers["X-Request-Id"]
    assert call.fields["host"] == "localhost"
