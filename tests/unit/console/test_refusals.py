"""Refusals of the API in words for people."""

from __future__ import annotations

import pytest

from servicekit.problems import COMMON
from tests.servers.console import Console
from tests.servers.fake_gateway import problem
from wharf_auth.problems import CATALOGUE
from wharf_console.web.refusals import _OF_LOGS, _TITLES, _TOLD_BY_TITLE
from wharf_upload.problems import UPLOAD


def test_only_problems_that_exist_have_words() -> None:
    """Every slug with words belongs to an existing problem."""
    known = COMMON.by_slug | CATALOGUE.by_slug | UPLOAD.by_slug
    assert _TITLES.keys() | _OF_LOGS.keys() <= known.keys()
    assert all(slug in _TITLES for slug in _TOLD_BY_TITLE)


@pytest.mark.parametrize(
    ("language", "heading", "message"),
    [
        ("en", "Not allowed", "The rest was not deleted: It is held."),
        ("zh", "不允许", "不允许 (It is held.)"),
    ],
)
def test_a_refusal_is_told_in_the_language_of_the_page(
    console: Console, language: str, heading: str, message: str
) -> None:
    """The title of a refusal is translated; the API's detail, which has the value, is below it."""
    browser = console.person()
    headers = {"Accept-Language": language}
    console.gateway.on("DELETE", "/v1/files/docs/.*", problem(403, "forbidden", "It is held."))
    form = {"key": ["1"], "confirmed": "yes"}
    browser.post("/console/b/docs/delete", form, headers=headers)
    assert message in browser.get("/console/b/docs/", headers=headers).text
    console.gateway.on("GET", "/v1/usage", problem(403, "forbidden", "It is held."))
    page = browser.get("/console/", headers=headers).text
    assert f"<h1>{heading}</h1>" in page
    assert "It is held." in page


def test_where_the_title_says_all_no_english_stands_behind_it(console: Console) -> None:
    """If the title of a refusal says everything, the API's English detail is not shown."""
    detail = "The tenant has a user eve already."
    console.gateway.on("POST", "/auth/v1/tenants/acme/users", problem(409, "user-exists", detail))
    form = {"username": "eve", "role": "viewer"}
    headers = {"Accept-Language": "zh"}
    page = console.person().post("/console/members/new", form, headers=headers).text
    assert '<small id="username-error" class="error">已有同名用户</small>' in page


def test_a_problem_of_a_newer_release_has_its_own_words(console: Console) -> None:
    """A problem of a newer release is shown in the API's words."""
    browser = console.person()
    console.gateway.on("GET", "/v1/usage", problem(409, "frozen-over", "Wait for spring."))
    page = browser.get("/console/").text
    assert "<h1>Frozen over</h1>" in page
    assert "Wait for spring." in page
