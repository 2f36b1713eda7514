"""Pages for a tenant's users: list, new user, changes and deletion."""

from __future__ import annotations

import re

import pytest

from tests.servers.console import Console
from tests.servers.console_people import (
    USERS,
    changes,
    serve_people,
    user_document,
    wanted_users,
)
from tests.servers.fake_gateway import Reply, problem

LIST, NEW, BOB, ANN = (
    "/console/members",
    "/console/members/new",
    "/console/members/user-2",
    "/console/members/user-1",
)
PASSWORD = re.compile(r'id="new-password" value="([^"]+)"')


@pytest.fixture(autouse=True)
def _people(console: Console) -> None:
    serve_people(console.gateway)


def test_people_are_listed_page_by_page(console: Console) -> None:
    """The list of users sends its cursor to auth, and a later page links to the first page."""
    off = user_document("eve", "user-3", state="disabled", role="captain")
    console.gateway.on("GET", USERS, Reply({"users": [off], "next_cursor": "user-3"}))
    browser = console.person()
    page = browser.get(LIST).text
    assert '<span class="badge">off</span>' in page
    # A role of a newer release.
    assert ">captain<" in page
    assert 'href="/console/members?cursor=user-3" rel="next"' in page
    assert "First page" not in page
    assert "First page" in browser.get(f"{LIST}?cursor=user-3").text
    queries = [call.query for call in console.gateway.called("GET", USERS)]
    assert queries == [{"limit": ["100"]}, {"limit": ["100"], "cursor": ["user-3"]}]


def test_a_new_member_gets_a_password_that_is_shown_once(console: Console) -> None:
    """A new user's password is shown only in the response, and is stored in no file."""
    browser = console.person()
    form = {"username": " eve@example.org ", "display_name": " Eve ", "role": "editor"}
    reply = browser.post(NEW, form)
    assert reply.status_code == 201
    assert reply.headers["Cache-Control"] == "no-store"
    found = PASSWORD.search(reply.text)
    assert found
    wanted = {"username": "eve@example.org", "display_name": "Eve", "role": "editor"}
    assert wanted_users(console.gateway) == [{**wanted, "password": found[1]}]
    assert "shown now and never again" in reply.text
    for path in (LIST, NEW, BOB):
        assert found[1] not in browser.get(path).text
    kept = console.context.settings.data.rglob("*")
    stored = [path.read_bytes() for path in kept if path.is_file()]
    assert stored
    assert not any(found[1].encode() in content for content in stored)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "A user name has letters, digits"), ("zh", "用户名由文字、数字")]
)
def test_a_wrong_user_name_is_told_in_the_language_of_the_page(
    console: Console, language: str, words: str
) -> None:
    """A wrong user name is explained in the page's language without a call of auth."""
    form = {"username": "eve adams", "role": "viewer"}
    page = console.person().post(NEW, form, headers={"Accept-Language": language}).text
    assert f'<small id="username-error" class="error">{words}' in page
    assert wanted_users(console.gateway) == []


def test_without_a_name_for_people_it_is_the_user_name(console: Console) -> None:
    """If the display name is empty, the console does not send it to auth."""
    console.person().post(NEW, {"username": "eve", "display_name": "", "role": "viewer"})
    assert wanted_users(console.gateway)[0]["display_name"] is None


@pytest.mark.parametrize(
    ("answer", "field", "words"),
    [
        (
            problem(409, "user-exists", "The tenant has a user eve already."),
            "username",
            "The tenant has a user eve already.",
        ),
        (
            problem(422, "unprocessable", "A user name has 1 to 254 letters."),
            "username",
            "A user name has 1 to 254 letters.",
        ),
        (
            problem(422, "unprocessable", "The display name holds control characters."),
            "display_name",
            "The display name holds control characters.",
        ),
    ],
)
def test_a_refusal_stands_at_its_field(
    console: Console, answer: Reply, field: str, words: str
) -> None:
    """A refusal is shown at its field; the input stays, and no password is shown."""
    console.gateway.on("POST", USERS, answer)
    form = {"username": "eve", "display_name": "Eve", "role": "editor"}
    reply = console.person().post(NEW, form)
    assert reply.status_code == 422
    assert f'<small id="{field}-error" class="error">{words}</small>' in reply.text
    assert 'value="Eve"' in reply.text
    assert '<option selected value="editor">' in reply.text
    assert not PASSWORD.search(reply.text)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"username": "  ", "role": "viewer"},
        {"username": "a" * 255, "role": "viewer"},
        {"username": "eve", "role": "captain"},
        {"username": "eve", "role": "viewer", "display_name": "n" * 201},
    ],
)
def test_what_cannot_be_right_is_not_sent(console: Console, form: dict[str, str]) -> None:
    """A form with an impossible value is explained at the field and not sent to auth."""
    reply = console.person().post(NEW, form)
    assert reply.status_code == 422
    assert 'class="error"' in reply.text
    assert wanted_users(console.gateway) == []


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ({"display_name": "Robert", "role": "viewer"}, {"display_name": "Robert"}),
        ({"display_name": "Bob", "role": "owner"}, {"role": "owner"}),
        ({"display_name": "R", "role": "editor"}, {"display_name": "R", "role": "editor"}),
    ],
)
def test_only_what_differs_is_changed(
    console: Console, form: dict[str, str], sent: dict[str, str]
) -> None:
    """The console sends only fields that differ, because a role that is sent ends the sessions."""
    browser = console.person()
    assert browser.post(BOB, form).location == BOB
    assert [call.json for call in console.gateway.called("PATCH", f"{USERS}/user-2")] == [sent]
    assert "The change is saved." in browser.get(BOB).text


def test_a_form_without_a_change_asks_for_nothing(console: Console) -> None:
    """A form without a difference is accepted without a call of auth."""
    reply = console.person().post(BOB, {"display_name": "Bob", "role": "viewer"})
    assert reply.status_code == 303
    assert changes(console.gateway) == []


def test_a_role_of_a_newer_release_stays(console: Console) -> None:
    """If a user has a role of a newer release, a change of the name keeps the role."""
    person = user_document(role="captain")
    console.gateway.on("GET", f"{USERS}/user-2", Reply(person))
    browser = console.person()
    assert '<option selected value="captain">' in browser.get(BOB).text
    assert browser.post(BOB, {"display_name": "B", "role": "captain"}).status_code == 303
    [call] = console.gateway.called("PATCH", f"{USERS}/user-2")
    assert call.json == {"display_name": "B"}


def test_nobody_is_offered_what_the_api_refuses_for_oneself(console: Console) -> None:
    """Owners can change only the name of their own account."""
    browser = console.person()
    page = browser.get(ANN).text
    for words in ('name="role"', "Turn logins", "Delete the account", "End all sessions"):
        assert words not in page
    assert browser.post(ANN, {"display_name": "A", "role": "viewer"}).status_code == 303
    [call] = console.gateway.called("PATCH", f"{USERS}/user-1")
    assert call.json == {"display_name": "A"}
    assert '<span class="badge">you</span>' in browser.get(LIST).text


@pytest.mark.parametrize(
    ("state", "button"), [("active", "Turn logins off"), ("disabled", "Turn logins on")]
)
def test_logins_are_turned_off_and_on(console: Console, state: str, button: str) -> None:
    """The page of a user offers to disable an active user and to enable a disabled one."""
    person = user_document(state=state, disabled_at=None)
    console.gateway.on("GET", f"{USERS}/user-2", Reply(person))
    browser = console.person()
    page = browser.get(BOB).text
    assert button in page
    other = "disabled" if state == "active" else "active"
    assert f'name="state" value="{other}"' in page
    assert browser.post(f"{BOB}/state", {"state": other}).location == BOB
    [call] = console.gateway.called("PATCH", f"{USERS}/user-2")
    assert call.json == {"state": other}
    assert 'role="status">Log' in browser.get(BOB).text


@pytest.mark.parametrize("state", ["", "deleted"])
def test_another_state_there_is_not(console: Console, state: str) -> None:
    """A request for an unknown state of a user gets 400 without a call of auth."""
    assert console.person().post(f"{BOB}/state", {"state": state}).status_code == 400
    assert changes(console.gateway) == []


def test_sessions_are_ended(console: Console) -> None:
    """A button on the page of a user ends all the user's sessions."""
    browser = console.person()
    assert browser.post(f"{BOB}/sessions/end").location == BOB
    assert changes(console.gateway) == [("DELETE", f"{USERS}/user-2/sessions")]


def test_a_new_password_is_made_after_a_question(console: Console) -> None:
    """A new password is generated after a confirmation, and shown once."""
    browser = console.person()
    assert "all sessions end" in browser.get(f"{BOB}/password").text
    assert changes(console.gateway) == []
    reply = browser.post(f"{BOB}/password", {"confirmed": "yes"})
    found = PASSWORD.search(reply.text)
    assert found
    [call] = console.gateway.called("PUT", f"{USERS}/user-2/password")
    assert call.json == {"password": found[1]}
    again = PASSWORD.search(browser.post(f"{BOB}/password", {"confirmed": "yes"}).text)
    assert again
    assert again[1] != found[1]


def test_a_person_is_deleted_after_a_question(console: Console) -> None:
    """A user is deleted after a confirmation, which says that the user's files stay."""
    browser = console.person()
    question = browser.get(f"{BOB}/delete").text
    assert "Delete bob?" in question
    assert "data-dialog" in question
    assert "Files that this person has uploaded stay." in question
    reply = browser.post(f"{BOB}/delete", {"confirmed": "yes"})
    assert reply.location == LIST
    assert changes(console.gateway) == [("DELETE", f"{USERS}/user-2")]
    assert "bob is deleted." in browser.get(LIST).text


def test_what_the_api_protects_is_told(console: Console) -> None:
    """If auth refuses to delete a user, the page shows the words of auth."""
    refused = problem(409, "user-protected", "You cannot delete yourself.")
    console.gateway.on("DELETE", f"{USERS}/user-1", refused)
    reply = console.person().post(f"{ANN}/delete", {"confirmed": "yes"})
    assert reply.status_code == 409
    assert "You cannot delete yourself." in reply.text
