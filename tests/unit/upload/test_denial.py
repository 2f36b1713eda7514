"""Tests of a refusal that passes through nginx: the whole problem is in header fields."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from servicekit.problems import MALFORMED, RATE_LIMITED
from wharf_upload.http.admission_token import denial

# Surrogates do not occur: names are checked, and JSON is encoded as UTF-8.
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(detail=_TEXT, member=_TEXT)
def test_any_text(detail: str, member: str) -> None:
    """The field with the problem is one line of printable ASCII with equal JSON, for any text."""
    error = MALFORMED(detail, member=member)
    reply = denial(error, "request-1", {})
    (field,) = [value for name, value in reply.headers if name == "X-Denied-Problem"]
    assert field.isascii()
    assert field.isprintable()
    assert json.loads(field) == json.loads(error.body("request-1"))


@given(detail=_TEXT)
def test_any_text_on_a_page(detail: str) -> None:
    """The field with the page's problem is one line of printable ASCII, for any text."""
    reply = denial(MALFORMED(detail), "request-1", {"HTTP_ACCEPT": "text/html"})
    fields = dict(reply.headers)
    assert fields["X-Denied-Form"] == "page"
    assert fields["X-Denied-Problem"].isascii()
    assert fields["X-Denied-Problem"].isprintable()


def test_a_long_problem_fits() -> None:
    """A problem that is too long for a header field loses its members, and its detail is cut."""
    for long in (MALFORMED("x" * 9000, names=["y" * 9000]), MALFORMED("\u65e5" * 9000)):
        fields = dict(denial(long, "request-1", {}).headers)
        assert len(fields["X-Denied-Problem"]) < 15_000
        document = json.loads(fields["X-Denied-Problem"])
        assert set(document) == {"type", "title", "status", "detail", "request_id"}
        assert document["detail"] == long.detail[:1000] + "\u2026"
        page = dict(denial(long, "request-1", {"HTTP_ACCEPT": "text/html"}).headers)
        assert len(page["X-Denied-Problem"]) < 15_000
    whole = MALFORMED("short", names=["y" * 14_000])
    fields = dict(denial(whole, "request-1", {}).headers)
    assert json.loads(fields["X-Denied-Problem"])["names"] == ["y" * 14_000]


def test_status() -> None:
    """nginx gets status 403 and an empty body, with the real status in a field."""
    reply = denial(RATE_LIMITED("Too fast."), "request-1", {})
    assert (reply.status, reply.body) == (403, b"")
    assert ("X-Denied-Status", "429") in reply.headers


def test_fields_that_are_passed_on() -> None:
    """`Retry-After` is passed on under nginx's name for it, and other fields are not."""
    error = RATE_LIMITED("Too fast.", headers=(("Retry-After", "7"), ("X-Own", "secret")))
    headers = denial(error, "request-1", {}).headers
    assert ("X-Denied-Retry-After", "7") in headers
    assert "secret" not in dict(headers).values()
