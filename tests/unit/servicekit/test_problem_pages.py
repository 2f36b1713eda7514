"""Refusals as HTML pages: the requests that get a page, and its content."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_accept_header

from servicekit import problem_pages
from servicekit.problems import NOT_FOUND

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(detail=_TEXT, request_id=_TEXT)
def test_any_text_is_text(detail: str, request_id: str) -> None:
    """Any text of a refusal is shown as one line of text, and cannot add a tag to the page."""
    bare = problem_pages.page(NOT_FOUND(""), "", None)
    page = problem_pages.page(NOT_FOUND(detail), html.escape(request_id), None)
    assert page.count("<") == bare.count("<")
    assert page.count(">") == bare.count(">")
    assert "\n" not in page or "\n" in request_id


@given(
    referer=st.text(max_size=60) | st.text("htps:/.<>\"'& x", max_size=40).map("https://".__add__)
)
def test_a_way_back_is_an_address(referer: str) -> None:
    """The page of a problem links back only to a web address that cannot end the attribute."""
    page = problem_pages.page(NOT_FOUND("Gone."), "id", referer)
    if 'href="http' in page:
        assert f'<a href="{html.escape(referer)}">Go back</a>' in page
        assert not set(referer) & set("<>;\"' \n")
    else:
        assert "Go back with your browser." in page


def test_documents_stay_the_default() -> None:
    """A request that does not ask for HTML gets the problem document."""
    for environ in ({}, {"HTTP_ACCEPT": "*/*"}, {"HTTP_ACCEPT": "application/json"}):
        kind, body = problem_pages.render(NOT_FOUND("Gone."), "id", environ)
        assert kind == "application/problem+json"
        assert body == NOT_FOUND("Gone.").body("id")


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which each parsed field `Accept` is added."""
    seen: list[str] = []

    def parse(accept: str, *kinds: type) -> object:
        seen.append(accept)
        return parse_accept_header(accept, *kinds)

    monkeypatch.setattr(problem_pages, "parse_accept_header", parse)
    return seen


def test_a_field_of_1000_characters_is_the_longest(looked_at: list[str]) -> None:
    """A field `Accept` of 1,000 characters is parsed, and a longer field is ignored."""
    members = "text/plain;q=0.5,"
    longest = members * 58 + " " * 5 + "text/html"
    assert len(longest) == 1000
    assert problem_pages.are_wanted(longest)
    assert not problem_pages.are_wanted(" " + longest)
    assert not problem_pages.are_wanted("text/html" + "," * 10_000)
    assert len(looked_at) == 1


def test_blanks_are_folded(looked_at: list[str]) -> None:
    """Several blanks become one blank before the field `Accept` is parsed."""
    assert problem_pages.are_wanted("TEXT/html" + " \t" * 400 + ";  q=0.9,\t*/*;q=0.8")
    assert looked_at == ["TEXT/html ; q=0.9, */*;q=0.8"]


@pytest.mark.parametrize("accept", ["*/*", "text/plain" + " " * 900 + "x", "application/json,"])
def test_who_does_not_name_html_is_not_read(looked_at: list[str], accept: str) -> None:
    """A field `Accept` without the text `text/html` is not parsed."""
    assert not problem_pages.are_wanted(accept)
    assert looked_at == []
