"""The result of an import of users, and the file with their passwords."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import LOGIN
from tests.servers.console_import import FILE, PAGE, RESULT, hidden, rows, send
from tests.servers.console_people import USERS, changes, created, serve_people, wanted_users
from tests.servers.fake_gateway import Call, Reply, problem
from tests.unit.console.test_templates import check
from wharf_console.routes import member_import as routes

LINES = '[[2,"ada","Ada","editor"],[3,"eve","","viewer"]]'


@pytest.fixture(autouse=True)
def _people(console: Console) -> None:
    serve_people(console.gateway)


def test_people_are_made_and_their_passwords_shown(console: Console) -> None:
    """The import creates each user with a separate password, and shows the passwords once."""
    browser = console.person()
    lines = hidden(send(browser, FILE).text, "lines")
    reply = browser.post(PAGE, {"lines": lines})
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    sent = wanted_users(console.gateway)
    assert [(one["username"], one["display_name"], one["role"]) for one in sent] == [
        ("ada@example.org", "Ada", "editor"),
        ("eve", None, "viewer"),
    ]
    passwords = {one["password"] for one in sent}
    assert len(passwords) == 2
    assert all(f"<code>{one}</code>" in reply.text for one in passwords)
    assert "<h1>2 members added</h1>" in reply.text
    check("result", reply.text)
    assert not any(one in browser.get(PAGE).text for one in passwords)


def test_the_result_is_a_file_without_formulas(console: Console) -> None:
    """The result is a UTF-8 CSV file without formulas, which no cache may store."""
    made = [
        ["=cmd|'/c calc'!A1", "张三", "viewer", "kx7mn-q2vdb", True],
        ["eve", "x;=1+1", "editor", "aaaaa-bbbbb", False],
    ]
    reply = console.person().post(RESULT, {"secret_made": json.dumps(made)})
    assert reply.content_type == "text/csv; charset=utf-8"
    assert reply.headers["Content-Disposition"] == "attachment; filename=wharf-members.csv"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.data.decode() == (
        '\ufeff"username","display_name","role","password"\r\n'
        '"\'=cmd|\'/c calc\'!A1","张三","viewer","kx7mn-q2vdb"\r\n'
        '"eve","x;\'=1+1","editor","aaaaa-bbbbb"\r\n'
    )
    assert changes(console.gateway) == []


def test_the_file_has_what_the_page_shows(console: Console) -> None:
    """The file after an import has the same users and passwords as the page."""
    browser = console.person()
    page = browser.post(PAGE, {"lines": LINES}).text
    content = browser.post(RESULT, {"secret_made": hidden(page, "secret_made")}).text
    sent = wanted_users(console.gateway)
    assert len(sent) == 2
    for one in sent:
        assert f'"{one["username"]}"' in content
        assert f'"{one["password"]}"' in content


def test_a_refusal_of_one_stops_nobody_else(console: Console) -> None:
    """If auth refuses a user, the page names the user's line, and the other users are created."""

    def answer(call: Call) -> Reply:
        if call.json["username"] == "ada":
            return problem(409, "user-exists", "The tenant has a user ada already.")
        return created(call)

    console.gateway.on("POST", USERS, answer)
    page = console.person().post(PAGE, {"lines": LINES}).text
    assert "<h1>1 member added</h1>" in page
    [found] = rows(page, "Lines that are left out")
    assert "The tenant has a user ada already." in found[2]
    assert "Go on with the rest" not in page


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (problem(429, "quota-exceeded", "Wait.", retry_after=3), "Wait."),
        (problem(503, "unavailable", "It is down."), "It is down."),
        (problem(403, "insufficient-scope", "Not you."), "Not you."),
    ],
)
def test_no_password_gets_lost_where_it_stops(
    console: Console, refusal: Reply, reason: str
) -> None:
    """An import that stops shows its users and can continue; the last page shows all users."""
    console.gateway.on("POST", USERS, second_is(refusal))
    browser = console.person()
    page = browser.post(PAGE, {"lines": LINES}).text
    first = wanted_users(console.gateway)[0]["password"]
    assert f"<code>{first}</code>" in page
    assert f"<p>{reason} 1 member is not added yet.</p>" in page
    check("stopped", page)
    console.gateway.on("POST", USERS, created)
    rest = {"lines": hidden(page, "lines"), "secret_made": hidden(page, "secret_made")}
    whole = browser.post(PAGE, rest).text
    last = wanted_users(console.gateway)[-1]
    assert last["username"] == "eve"
    assert f"<code>{first}</code>" in whole
    assert f"<code>{last['password']}</code>" in whole
    assert "<h1>2 members added</h1>" in whole


def second_is(refusal: Reply) -> Callable[[Call], Reply]:
    """Return an API that refuses Eve and makes all other users."""

    def answer(call: Call) -> Reply:
        return refusal if call.json["username"] == "eve" else created(call)

    return answer


def test_a_session_that_ends_meanwhile_takes_no_password_with_it(console: Console) -> None:
    """If the session ends during an import, the page shows the passwords and no form."""
    console.gateway.on("POST", USERS, second_is(problem(401, "token-revoked")))
    page = console.person().post(PAGE, {"lines": LINES}).text
    password = wanted_users(console.gateway)[0]["password"]
    assert f"<code>{password}</code>" in page
    assert "copy the passwords from this page" in page
    assert 'name="lines"' not in page
    assert 'name="secret_made"' not in page
    check("over", page)


def test_a_list_comes_back_after_the_next_login(console: Console) -> None:
    """A list that a person sends after the session's end is a preview after the next login."""
    browser = console.person()
    token = browser.token()
    console.gateway.on("POST", USERS, problem(401, "token-revoked"))
    reply = browser.client.post(PAGE, data={"lines": LINES, "csrf_token": token})
    assert (reply.status_code, reply.location) == (303, f"/console/login?next={PAGE}")
    console.gateway.on("POST", USERS, created)
    asked = len(wanted_users(console.gateway))
    assert browser.post("/console/login", {**LOGIN, "next": PAGE}).location == PAGE
    page = browser.get(PAGE).text
    assert [row[1] for row in rows(page, "Members to be added")] == ["ada", "eve"]
    assert len(wanted_users(console.gateway)) == asked


def test_an_answer_that_got_lost_leaves_the_password(console: Console) -> None:
    """If a request for a user gets no response, the page says that the user may
    have been created.
    """
    browser = console.person()

    def gone(call: Call) -> Reply:
        raise ConnectionResetError(call.path)

    console.gateway.on("POST", USERS, gone)
    page = browser.post(PAGE, {"lines": LINES}).text
    assert f"<code>{wanted_users(console.gateway)[0]['password']}</code>" in page
    assert "perhaps: there was no answer" in page
    assert "Wharf does not answer 1 member is not added yet." in page


def test_a_long_list_does_not_wait_for_ever(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import stops when it takes longer than a page may take, and offers to continue."""
    monkeypatch.setattr(routes, "_SECONDS", -1.0)
    page = console.person().post(PAGE, {"lines": LINES}).text
    assert "take longer than one page may" in page
    assert "2 members are not added yet." in page
    assert json.loads(hidden(page, "lines"))[0][:2] == [2, "ada"]
