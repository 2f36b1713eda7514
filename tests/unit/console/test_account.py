"""The page of a person's own account: password, sessions, language and colours."""

from __future__ import annotations

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import session_document
from tests.servers.console_people import changes, serve_people
from tests.servers.fake_gateway import Reply, problem

PAGE, PASSWORD = "/console/account", "/auth/me/password"
FORM = {
    "current_password": "correct horse",
    "new_password": "battery staple",
    "repeated_password": "battery staple",
}


@pytest.fixture(autouse=True)
def _people(console: Console) -> None:
    serve_people(console.gateway)


def test_everybody_sees_who_they_are(console: Console) -> None:
    """The account page shows the person's names, and the role in the page's language."""
    browser = console.person("viewer", tenant_display_name="Acme")
    page = browser.get(PAGE).text
    for words in ("<bdi>Ann Example</bdi>", "<bdi>ann</bdi>", "<bdi>acme</bdi>", "<dd>viewer</dd>"):
        assert words in page, words
    chinese = browser.get(PAGE, headers={"Accept-Language": "zh"}).text
    assert "<dd>查看者</dd>" in chinese


def test_the_password_is_changed(console: Console) -> None:
    """The form for a new password sends both passwords to auth, and no page shows them."""
    browser = console.person("viewer")
    reply = browser.post(PAGE, FORM)
    assert (reply.status_code, reply.location) == (303, PAGE)
    [call] = console.gateway.called("PUT", PASSWORD)
    sent = {"current_password": "correct horse", "new_password": "battery staple"}
    assert call.json == sent
    page = browser.get(PAGE).text
    assert "The password is changed. Other sessions have ended." in page
    assert "staple" not in page


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"current_password": ""}, "current_password", "Enter your password."),
        ({"new_password": ""}, "new_password", "Enter a new password."),
        (
            {"new_password": "short", "repeated_password": "short"},
            "new_password",
            "A password has 8 to 256 characters.",
        ),
        ({"repeated_password": "other"}, "repeated_password", "It is not the same as above."),
        ({"repeated_password": ""}, "repeated_password", "It is not the same as above."),
    ],
)
def test_what_cannot_be_right_is_not_sent(
    console: Console, change: dict[str, str], field: str, words: str
) -> None:
    """An impossible new password is explained at its field and is not sent to auth."""
    reply = console.person().post(PAGE, FORM | change)
    assert reply.status_code == 422
    assert f'<small id="{field}-error" class="error">{words}</small>' in reply.text
    assert "battery staple" not in reply.text
    assert console.gateway.called("PUT", PASSWORD) == []


@pytest.mark.parametrize(
    ("answer", "field", "words"),
    [
        (
            problem(403, "forbidden", "The current password is wrong."),
            "current_password",
            "This is not your password.",
        ),
        (
            problem(422, "unprocessable", "This password is one of the most common ones."),
            "new_password",
            "This password is one of the most common ones.",
        ),
    ],
)
def test_a_refusal_stands_at_its_field(
    console: Console, answer: Reply, field: str, words: str
) -> None:
    """A refused password is explained at its field, and the session continues."""
    console.gateway.on("PUT", PASSWORD, answer)
    browser = console.person()
    reply = browser.post(PAGE, FORM)
    assert reply.status_code == 422
    assert f'<small id="{field}-error" class="error">{words}</small>' in reply.text
    assert browser.get(PAGE).status_code == 200


def test_too_many_wrong_passwords_are_told_with_the_seconds(console: Console) -> None:
    """A 429 from auth becomes a page with the seconds to wait."""
    refused = problem(429, "quota-exceeded", "Too many.", retry_after=17)
    console.gateway.on("PUT", PASSWORD, refused)
    reply = console.person().post(PAGE, FORM)
    assert reply.status_code == 429
    assert "Too many wrong passwords. Try again in 17 seconds." in reply.text


def test_sessions_are_listed_with_this_one_marked(console: Console) -> None:
    """The list of sessions marks the current one and offers no button to end it."""
    page = console.person().get(PAGE).text
    assert "Telephone" in page
    assert page.count('<span class="badge">this one</span>') == 1
    assert page.count('name="session" value=') == 1
    assert 'name="session" value="session-2"' in page


def test_sessions_come_page_by_page(console: Console) -> None:
    """The account page requests the sessions from auth with the cursor in the page's address."""
    found = {"sessions": [session_document()], "next_cursor": "session-1"}
    console.gateway.on("GET", "/auth/sessions", Reply(found))
    browser = console.person()
    assert 'href="/console/account?cursor=session-1" rel="next"' in browser.get(PAGE).text
    assert "First page" in browser.get(f"{PAGE}?cursor=session-1").text
    assert console.gateway.called("GET", "/auth/sessions")[-1].query["cursor"] == ["session-1"]


@pytest.mark.parametrize("answer", [Reply(status=204), problem(404, "not-found")])
def test_a_session_is_ended(console: Console, answer: Reply) -> None:
    """A button ends a session; a session that has already ended is no error."""
    console.gateway.on("DELETE", "/auth/sessions/session-2", answer)
    browser = console.person("viewer")
    reply = browser.post(f"{PAGE}/sessions/end", {"session": "session-2"})
    assert (reply.status_code, reply.location) == (303, PAGE)
    assert changes(console.gateway) == [("DELETE", "/auth/sessions/session-2")]
    assert "The session ends within seconds." in browser.get(PAGE).text


def test_all_other_sessions_are_ended_on_all_pages(console: Console) -> None:
    """The button for all other sessions ends each session on every page of the list."""
    pages = {
        "": {"sessions": [session_document(session_id="a", current=False)], "next_cursor": "a"},
        "a": {
            "sessions": [session_document(), session_document(session_id="b", current=False)],
            "next_cursor": None,
        },
    }
    console.gateway.on(
        "GET", "/auth/sessions", lambda call: Reply(pages[call.query.get("cursor", [""])[0]])
    )
    browser = console.person()
    assert browser.post(f"{PAGE}/sessions/end-others").location == PAGE
    assert changes(console.gateway) == [
        ("DELETE", "/auth/sessions/a"),
        ("DELETE", "/auth/sessions/b"),
    ]
    assert "2 other sessions end within seconds." in browser.get(PAGE).text


def test_without_another_session_nothing_is_ended(console: Console) -> None:
    """If there is no other session, the account page says so, and no session is ended."""
    found = {"sessions": [session_document()], "next_cursor": None}
    console.gateway.on("GET", "/auth/sessions", Reply(found))
    browser = console.person()
    browser.post(f"{PAGE}/sessions/end-others")
    assert changes(console.gateway) == []
    assert "There was no other session." in browser.get(PAGE).text


def test_language_and_colours_lead_back_here(console: Console) -> None:
    """The account page has the form for language and colours once, and the form leads back to the
    page.
    """
    browser = console.person()
    page = browser.get(PAGE).text
    assert page.count('action="/console/preferences"') == 1
    form = {"language": "zh_Hans", "theme": "dark", "next": PAGE}
    assert browser.post("/console/preferences", form).location == PAGE
    page = browser.get(PAGE).text
    assert '<html lang="zh-Hans" data-theme="dark">' in page
