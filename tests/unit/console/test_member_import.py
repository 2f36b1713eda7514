"""Import of users from a file: the reading of the file, and the preview of the users."""

from __future__ import annotations

import io
import json
import re
from html import unescape

import pytest

from servicekit.problems import ProblemError
from tests.servers.console import Console
from tests.servers.console_import import FILE, PAGE, RESULT, hidden, rows, send
from tests.servers.console_people import (
    EVIL,
    USERS,
    changes,
    serve_people,
    user_document,
    wanted_users,
)
from tests.servers.fake_gateway import Reply
from tests.unit.console.test_templates import check
from wharf_auth.domain import users as rules
from wharf_console.forms import member_import, members


@pytest.fixture(autouse=True)
def _people(console: Console) -> None:
    serve_people(console.gateway)


def test_a_file_is_shown_before_anything_is_made(console: Console) -> None:
    """The preview lists the users and creates none. A row without a role gets the form's role."""
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
    """A row with an error is listed with line number and reason; other rows can be imported."""
    page = send(console.person(), f"username,display_name,role\nada,,viewer\n\n{line}\n").text
    [found] = rows(page, "Lines that are left out")
    assert found[0] == "4"
    assert error in found[2]
    assert "1 line has a mistake and is left out." in page
    assert "Add 1 member<" in page


def test_a_file_of_mistakes_has_no_button(console: Console) -> None:
    """If a file has no valid row, the preview has no button for the import."""
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
    """Columns may be in any order, and have names in either language."""
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
    """A file that is no list of users is refused at its field, with the reason."""
    reply = send(console.person(), content, name)
    assert reply.status_code == 422
    found = re.search(r'<small id="file-error" class="error">(.*?)</small>', reply.text)
    assert found
    assert words in unescape(found[1])
    check(name, reply.text)


def test_no_file_chosen_is_told(console: Console) -> None:
    """A form without a chosen file is refused, with or without an empty part for the file."""
    browser = console.person()
    for form in ({"file": (io.BytesIO(), ""), "role": "viewer"}, {"role": "viewer"}):
        reply = browser.post(PAGE, form)
        assert reply.status_code == 422
        assert "Choose a file." in reply.text


def test_more_than_the_page_takes_is_a_page_too(console: Console) -> None:
    """A file that is larger than the page accepts gets 413."""
    reply = send(console.person(), b"a" * 1_200_000)
    assert reply.status_code == 413
    assert "larger than this page takes" in reply.text


def test_gbk_comes_with_a_warning(console: Console) -> None:
    """The preview of a file in GBK has a warning, and shows the names as the console read them."""
    content = "用户名,姓名\nzhang,张三\n".encode("gbk")
    page = send(console.person(), content).text
    assert 'class="message warning" role="alert">The file is not in UTF-8' in page
    assert "<bdi>张三</bdi>" in page


@pytest.mark.parametrize("lines", ["x", "{}", '[["a"]]', '[[1,"a"]]', "[1]"])
def test_a_list_that_is_none_is_refused(console: Console, lines: str) -> None:
    """A malformed list in the form gets 400 and makes no user."""
    browser = console.person()
    assert browser.post(PAGE, {"lines": lines}).status_code == 400
    assert browser.post(RESULT, {"secret_made": lines}).status_code == 400
    assert wanted_users(console.gateway) == []


def test_a_list_is_checked_anew(console: Console) -> None:
    """The users of a confirmed import are checked again, because a client can change the form."""
    lines = json.dumps([[2, "two words", "", "viewer"], [3, "eve", "", "captain"]])
    page = console.person().post(PAGE, {"lines": lines}).text
    assert len(rows(page, "Lines that are left out")) == 2
    assert wanted_users(console.gateway) == []


def test_names_of_a_file_do_no_harm(console: Console) -> None:
    """Scripts in a file's cells and header are shown as text."""
    browser = console.person()
    evil = EVIL.replace('"', '""')
    page = send(browser, f'username,display_name,role\neve,"{evil}","{evil}"\nx,"{evil}",').text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    result = browser.post(PAGE, {"lines": hidden(page, "lines")}).text
    assert "<script>" not in result


def test_who_is_there_is_looked_up_in_few_calls(console: Console) -> None:
    """The preview requests existing users in pages of a thousand, with at most ten requests."""
    many = [user_document(f"u{number}", f"user-{number}") for number in range(1000)]
    console.gateway.on("GET", USERS, Reply({"users": many, "next_cursor": "more"}))
    send(console.person(), "username\nu999\n")
    assert len(console.gateway.called("GET", USERS)) == 10


NAMES = ("eve", "e" * 254, "e" * 255, "a b", "a\u200bb", "", "...", "张三", "é", "a@b.c", "a,b")
MORE_NAMES = ("a;b", "=1", "a\u0301", "\u0661", "²", "a(b", "🦊", "a/b", "\ud800", "\ufb01x")


@pytest.mark.parametrize("name", NAMES + MORE_NAMES)
def test_user_names_are_judged_as_auth_does(name: str) -> None:
    """The preview accepts exactly the user names that auth accepts."""
    try:
        taken = rules.username(name) != ""
    except ProblemError:
        taken = False
    assert members.is_username(name) == taken
    assert member_import.folded(name) == rules.folded(name)
