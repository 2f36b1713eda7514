"""Many people by a file: what is in it, what becomes of them, and the file with their passwords."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from werkzeug.test import TestResponse

from servicekit.problems import ProblemError
from tests.e2e.multipart_body import CONTENT_TYPE, field_part, file_part, multipart_body
from tests.servers.console import LOGIN, Browser, Call, Console, Reply, problem
from tests.servers.console_people import (
    EVIL,
    USERS,
    changes,
    created,
    serve_people,
    user_document,
    wanted_users,
)
from tests.unit.console.test_templates import check
from wharf_auth.domain import users as rules
from wharf_console.forms import member_import
from wharf_console.routes import member_import as routes

PAGE, RESULT = "/console/members/import", "/console/members/import/result"
FILE = "username,display_name,role\nada@example.org,Ada,editor\neve,,\n"
LINES = '[[2,"ada","Ada","editor"],[3,"eve","","viewer"]]'


@pytest.fixture(autouse=True)
def _people(console: Console) -> None:
    serve_people(console.gateway)


def send(
    browser: Browser, content: bytes | str, name: str = "people.csv", **form: Any
) -> TestResponse:
    """Send a file by the form."""
    data = content.encode() if isinstance(content, str) else content
    fields = {"csrf_token": browser.token(), "role": "viewer", **form}
    parts = [field_part(field, value) for field, value in fields.items()]
    # By hand: of what is large, the test client of Werkzeug leaves a file open.
    body = multipart_body(*parts, file_part(name, data))
    return browser.client.post(PAGE, data=body, content_type=CONTENT_TYPE)


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return unescape(found[1])


def rows(page: str, caption: str) -> list[list[str]]:
    """The cells of a table of a page."""
    table = page[page.index(f"<caption>{caption}") :].partition("</table>")[0]
    body = table.partition("<tbody>")[2]
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in body.split("</tr>")]
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells if row
    ]


def test_a_file_is_shown_before_anything_is_made(console: Console) -> None:
    """With the role of the form for those who have none."""
    page = send(console.person(), FILE, role="editor").text
    assert "2 members can be added." in page
    assert rows(page, "Members to be added") == [
        ["2", "ada@example.org", "Ada", "editor"],
        ["3", "eve", "", "editor"],
    ]
    assert "Add 2 members" in page
    assert changes(console.gateway) == []
    check("preview", page)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (",Nobody,viewer", "There is no user name."),
        ("two words,,viewer", "no spaces"),
        ("tab\tname,,viewer", "no spaces"),
        ("...,,viewer", "A user name has letters"),
        ("a" * 255 + ",,viewer", "A user name has letters"),
        ("eve,,captain", "There is no role “captain”."),
        ("eve," + "n" * 201 + ",viewer", "The name is too long."),
        ("eve,Eve,viewer,more", "more cells"),
        ("BOB,,viewer", "There is a user of this name already."),
        ("\uff42\uff4f\uff42,,viewer", "There is a user of this name already."),
        ("ADA,,viewer", "The same name is in line 2."),
    ],
)
def test_mistakes_are_told_by_line(console: Console, line: str, error: str) -> None:
    """The line is left out, and the others can be made."""
    page = send(console.person(), f"username,display_name,role\nada,,viewer\n\n{line}\n").text
    [found] = rows(page, "Lines that are left out")
    assert found[0] == "4"
    assert error in found[2]
    assert "1 line has a mistake and is left out." in page
    assert "Add 1 member<" in page


def test_a_file_of_mistakes_has_no_button(console: Console) -> None:
    """There is nothing to be made."""
    page = send(console.person(), "username\nbob\nann\n").text
    assert "0 members can be added." in page
    assert 'name="lines"' not in page
    check("nobody", page)


@pytest.mark.parametrize(
    ("header", "role"),
    [
        ("username,display_name,role", "owner"),
        ("Role;Name;User name", "Owner"),
        ("角色,姓名,用户名", "所有者"),
    ],
)
def test_columns_come_in_any_order_and_both_languages(
    console: Console, header: str, role: str
) -> None:
    """As a person would head a table."""
    cells = ["eve", "Eve", role] if header.startswith("u") else [role, "Eve", "eve"]
    delimiter = ";" if ";" in header else ","
    page = send(console.person(), f"{header}\n{delimiter.join(cells)}\n").text
    assert json.loads(hidden(page, "lines")) == [[2, "eve", "Eve", "owner", ""]]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "people.csv", "The file is empty."),
        (FILE, "people.xlsx", "ends with .csv"),
        (FILE, "people", "ends with .csv"),
        (b"PK\x03\x04", "people.csv", "This is a workbook."),
        ("José\n".encode("latin-1"), "people.csv", "not in UTF-8"),
        ("a,b\n1,2\n", "people.csv", "The first line must name the columns"),
        ("username,role\n", "people.csv", "There is nobody below the first line."),
        ("username\n" + "a\n" * 1001, "people.csv", "more than 1000 people"),
        (b"username\n" + b"a" * 1_000_000, "people.csv", "larger than 1 MB"),
    ],
)
def test_what_is_no_list_of_people_is_refused(
    console: Console, content: bytes | str, name: str, words: str
) -> None:
    """The reason stands at the field."""
    reply = send(console.person(), content, name)
    assert reply.status_code == 422
    found = re.search(r'<small id="file-error" class="error">(.*?)</small>', reply.text)
    assert found
    assert words in unescape(found[1])
    check(name, reply.text)


def test_no_file_chosen_is_told(console: Console) -> None:
    """Browsers send a part without a name then; others send none."""
    browser = console.person()
    for form in ({"file": (io.BytesIO(), ""), "role": "viewer"}, {"role": "viewer"}):
        reply = browser.post(PAGE, form)
        assert reply.status_code == 422
        assert "Choose a file." in reply.text


def test_more_than_the_page_takes_is_a_page_too(console: Console) -> None:
    """The gateway refuses it before; the console does, too."""
    reply = send(console.person(), b"a" * 1_200_000)
    assert reply.status_code == 413
    assert "larger than this page takes" in reply.text


def test_gbk_comes_with_a_warning(console: Console) -> None:
    """The preview shows what the names have become."""
    content = "用户名,姓名\nzhang,张三\n".encode("gbk")
    page = send(console.person(), content).text
    assert 'class="message warning" role="alert">The file is not in UTF-8' in page
    assert "<bdi>张三</bdi>" in page


def test_people_are_made_and_their_passwords_shown(console: Console) -> None:
    """Each with one of its own; the preview's list is all that is needed."""
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
    """It is read as UTF-8 by spreadsheets, and kept nowhere."""
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
    """The page carries the list of its own."""
    browser = console.person()
    page = browser.post(PAGE, {"lines": LINES}).text
    content = browser.post(RESULT, {"secret_made": hidden(page, "secret_made")}).text
    for one in wanted_users(console.gateway):
        assert f'"{one["username"]}"' in content
        assert f'"{one["password"]}"' in content


def test_a_refusal_of_one_stops_nobody_else(console: Console) -> None:
    """It is told with its line."""

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
    """Those who were made are shown; the rest can be gone on with, and all end in one file."""
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
    """An API that makes everybody but Eve."""

    def answer(call: Call) -> Reply:
        return refusal if call.json["username"] == "eve" else created(call)

    return answer


def test_a_session_that_ends_meanwhile_takes_no_password_with_it(console: Console) -> None:
    """The page shows what was made, and no form that would lead to the login."""
    console.gateway.on("POST", USERS, second_is(problem(401, "token-revoked")))
    page = console.person().post(PAGE, {"lines": LINES}).text
    password = wanted_users(console.gateway)[0]["password"]
    assert f"<code>{password}</code>" in page
    assert "copy the passwords from this page" in page
    assert 'name="lines"' not in page
    assert 'name="secret_made"' not in page
    check("over", page)


def test_a_list_comes_back_after_the_next_login(console: Console) -> None:
    """As a preview: nobody is made by logging in."""
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
    """The account may have been made."""
    browser = console.person()

    def gone(call: Call) -> Reply:
        raise ConnectionResetError(call.path)

    console.gateway.on("POST", USERS, gone)
    page = browser.post(PAGE, {"lines": LINES}).text
    assert "perhaps: there was no answer" in page
    assert "Wharf does not answer 1 member is not added yet." in page


def test_a_long_list_does_not_wait_for_ever(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway would give the page up, and the passwords with it."""
    monkeypatch.setattr(routes, "_SECONDS", -1.0)
    page = console.person().post(PAGE, {"lines": LINES}).text
    assert "take longer than one page may" in page
    assert "2 members are not added yet." in page
    assert json.loads(hidden(page, "lines"))[0][:2] == [2, "ada"]


@pytest.mark.parametrize("lines", ["x", "{}", '[["a"]]', '[[1,"a"]]', "[1]"])
def test_a_list_that_is_none_is_refused(console: Console, lines: str) -> None:
    """Nobody is made of it, and no page breaks."""
    browser = console.person()
    assert browser.post(PAGE, {"lines": lines}).status_code == 400
    assert browser.post(RESULT, {"secret_made": lines}).status_code == 400
    assert wanted_users(console.gateway) == []


def test_a_list_is_checked_anew(console: Console) -> None:
    """A form can be changed on its way; auth decides anyway."""
    lines = json.dumps([[2, "two words", "", "viewer"], [3, "eve", "", "captain"]])
    page = console.person().post(PAGE, {"lines": lines}).text
    assert len(rows(page, "Lines that are left out")) == 2
    assert wanted_users(console.gateway) == []


def test_names_of_a_file_do_no_harm(console: Console) -> None:
    """Scripts in every cell, and in the header, are text."""
    browser = console.person()
    evil = EVIL.replace('"', '""')
    page = send(browser, f'username,display_name,role\neve,"{evil}","{evil}"\nx,"{evil}",').text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    result = browser.post(PAGE, {"lines": hidden(page, "lines")}).text
    assert "<script>" not in result


def test_who_is_there_is_looked_up_in_few_calls(console: Console) -> None:
    """A thousand at a time, and not without end."""
    many = [user_document(f"u{number}", f"user-{number}") for number in range(1000)]
    console.gateway.on("GET", USERS, Reply({"users": many, "next_cursor": "more"}))
    send(console.person(), "username\nu999\n")
    assert len(console.gateway.called("GET", USERS)) == 10


NAMES = ("eve", "e" * 254, "e" * 255, "a b", "a\u200bb", "", "...", "张三", "é", "a@b.c", "a,b")
MORE_NAMES = ("a;b", "=1", "a\u0301", "\u0661", "²", "a(b", "🦊", "a/b", "\ud800", "\ufb01x")


@pytest.mark.parametrize("name", NAMES + MORE_NAMES)
def test_user_names_are_judged_as_auth_does(name: str) -> None:
    """The preview promises nothing that auth refuses, and keeps nobody out."""
    try:
        taken = rules.username(name) != ""
    except ProblemError:
        taken = False
    assert member_import.is_username(name) == taken
    assert member_import.folded(name) == rules.folded(name)
