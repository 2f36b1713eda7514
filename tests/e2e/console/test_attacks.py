"""Attacks on the console: foreign forms, redirects, planted sessions, guessed passwords."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.e2e.console.test_sharing import BUCKET, Member, sends
from tests.servers.pages.visitor import Visitor
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.multipart_body import file_part

COOKIE = "wharf_console"
FORM = {"Content_Type": "application/x-www-form-urlencoded"}
WRONG = "Tenant, name or password is wrong."


def token(visitor: Visitor) -> str:
    """Return the CSRF token of this session's forms."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', visitor.request("GET", "/console/")[2])
    assert found
    return found[1]


@pytest.fixture
def stored(wharf: Wharf) -> tuple[Member, str]:
    """Return a person who has a file, and the file's name."""
    member, name = Member(wharf), f"{secrets.token_hex(6)}.txt"
    page = member.request("GET", f"/console/b/{BUCKET}/upload")[2]
    assert sends(member, page, file_part(name, b"kept", "files"))[0] == 303
    return member, name


@pytest.mark.parametrize(
    ("whose", "fields", "status"),
    [
        ("nobody's", {}, 400),
        ("another's", {}, 400),
        ("own", {"Sec_Fetch_Site": "cross-site", "Origin": "https://evil.example"}, 403),
        ("own", {"Sec_Fetch_Site": "same-site"}, 403),
        ("own", {"Sec_Fetch_Site": "cross-site", "Origin": "null"}, 403),
        ("own", {}, 303),
    ],
)
def test_a_form_of_somebody_else(
    wharf: Wharf, stored: tuple[Member, str], whose: str, fields: dict[str, str], status: int
) -> None:
    """A form from another site, or without the session's own CSRF token, deletes nothing."""
    member, name = stored
    known = {"nobody's": "", "own": token(member), "another's": token(Member(wharf))}
    body = urlencode({"key": name, "confirmed": "yes", "csrf_token": known[whose]}).encode()
    answer = member.request("POST", f"/console/b/{BUCKET}/delete", body, **FORM, **fields)
    assert answer[0] == status
    is_there = member.request("GET", f"/console/b/{BUCKET}/f/{name}")[0] == 200
    assert is_there is (status != 303)


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/console//evil.example",
        "/console/..//evil.example",
        "/console/%2e%2e/%2e%2e//evil.example",
        "/\\evil.example",
        "/console/\t//evil.example",
        "javascript:alert(1)",
        "/console/x\r\nSet-Cookie: a=b",
    ],
)
def test_no_login_leads_out(wharf: Wharf, target: str) -> None:
    """A login leads to a page of the console, even when `next` in its link names another site."""
    visitor = Visitor(wharf)
    status, _, page = visitor.request("GET", "/console/login?" + urlencode({"next": target}))
    assert status == 200
    demo = wharf.credentials("demo")
    form = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', page))
    form |= {name: demo[name] for name in ("tenant", "username", "password")}
    form["next"] = target
    status, fields, _ = visitor.request("POST", "/console/login", urlencode(form).encode(), **FORM)
    assert (status, fields["Location"]) == (303, "/console/")
    assert "a=b" not in str(fields.get_all("Set-Cookie"))


@pytest.mark.parametrize("planted", ["", "a" * 43, "../../secret", "%00"])
def test_a_session_that_somebody_has_planted(wharf: Wharf, planted: str) -> None:
    """An unknown session id is not accepted, and each login sets a new id."""
    visitor = Visitor(wharf)
    if planted:
        visitor._cookies[COOKIE] = planted
    visitor.request("GET", "/console/login")
    known = visitor._cookies[COOKIE]
    assert known != planted
    visitor.request("GET", "/console/login")
    assert visitor._cookies[COOKIE] == known
    assert visitor.login()[0] == 303
    assert visitor._cookies[COOKIE] not in {planted, known}
    attacker = Visitor(wharf)
    for one in (planted, known):
        attacker._cookies[COOKIE] = one
        assert attacker.request("GET", "/console/")[0] == 303


@pytest.fixture(scope="module")
def strict() -> Iterator[Wharf]:
    """Start a Wharf that allows few failed logins."""
    with running(WHARF_LOGIN_FREE_FAILURES="3") as found:
        yield found


def test_guessing_is_slowed_down_by_address(strict: Wharf) -> None:
    """After failed logins the browser's address gets 429, and another address can log in."""
    guesser = Visitor(strict, "127.0.0.7")
    answers = [guesser.login(f"wrong {number}") for number in range(8)]
    assert WRONG in answers[0][1]
    assert answers[-1][0] == 429
    assert re.search(r"Try again in [0-9]+ seconds?[.]", answers[-1][1])
    assert Visitor(strict, "127.0.0.8").login()[0] == 303
