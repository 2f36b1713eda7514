"""Refusals as pages: who gets one, and what is on it."""

from __future__ import annotations

import html

from hypothesis import given
from hypothesis import strategies as st

from servicekit import problem_pages
from servicekit.problems import NOT_FOUND

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(detail=_TEXT, request_id=_TEXT)
def test_any_text_is_text(detail: str, request_id: str) -> None:
    """Whatever a refusal says stands on one line of the page, without a tag of its own."""
    bare = problem_pages.page(NOT_FOUND(""), "", None)
    page = problem_pages.page(NOT_FOUND(detail), html.escape(request_id), None)
    assert page.count("<") == bare.count("<")
    assert page.count(">") == bare.count(">")
    assert "\n" not in page or "\n" in request_id


@given(
    referer=st.text(max_size=60) | st.text("htps:/.<>\"'& x", max_size=40).map("https://".__add__)
)
def test_a_way_back_is_an_address(referer: str) -> None:
    """A link leads back only to an address of the web, and holds nothing that ends it."""
    page = problem_pages.page(NOT_FOUND("Gone."), "id", referer)
    if 'href="http' in page:
        assert f'<a href="{html.escape(referer)}">Go back</a>' in page
        assert not set(referer) & set("<>\"' \n")
    else:
        assert "Go back with your browser." in page


def test_documents_stay_the_default() -> None:
    """Who says nothing, or anything, gets the document."""
    for environ in ({}, {"HTTP_ACCEPT": "*/*"}, {"HTTP_ACCEPT": "application/json"}):
        kind, body = problem_pages.render(NOT_FOUND("Gone."), "id", environ)
        assert kind == "application/problem+json"
        assert body == NOT_FOUND("Gone.").body("id")


def test_a_long_field_costs_little() -> None:
    """An Accept field of the length that the gateway lets pass is judged."""
    assert problem_pages.are_wanted(f"{'text/plain;q=0.5,' * 600}text/html")
