"""Tests of a request as the fast path reads it."""

from __future__ import annotations

import io
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.problems import ProblemError
from wharf_upload.http.request import Request, path_of


def exchange(uri: str = "/v1/files/default/a.txt", **environ: Any) -> Request:
    return Request(
        {"REQUEST_METHOD": "PUT", "REQUEST_URI": uri, "PATH_INFO": "/other", **environ}, ""
    )


def slug(caught: pytest.ExceptionInfo[ProblemError]) -> str:
    return caught.value.problem.slug


def test_address_is_what_was_sent() -> None:
    """Bucket and key are those of the request line, percent-decoded once."""
    found = exchange("/v1/files/default/a%2520b/%C3%A9.txt?x=/y").address()
    assert found == ("default", "a%20b/é.txt")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/v1/files/default/", "invalid-key"),
        ("/v1/files/default/a/../b", "invalid-key"),
        ("/v1/files/default/%00", "invalid-key"),
        ("/v1/files/x/a", "not-found"),
        ("/v1/files//a", "not-found"),
        ("/v1//files/default/a", "not-found"),
    ],
)
def test_bad_addresses(uri: str, expected: str) -> None:
    """An address that names no file raises a problem."""
    with pytest.raises(ProblemError) as caught:
        exchange(uri).address()
    assert slug(caught) == expected


_SEGMENT = st.text(st.characters(categories=["L", "N", "S"]), min_size=1, max_size=8)
_KEY = st.lists(_SEGMENT, min_size=1, max_size=4).map("/".join)


@given(_KEY.map(lambda text: unicodedata.normalize("NFC", text)))
def test_path_of(key: str) -> None:
    """The path of a file parses to the file's bucket and key."""
    assert exchange(path_of("default", key)).address() == ("default", key)


def test_no_length() -> None:
    """A request without Content-Length has no length, and one with `0` has length 0."""
    assert exchange().content_length() is None
    assert exchange(CONTENT_LENGTH="0").content_length() == 0


def test_cut_body() -> None:
    """A body that ends before its length is malformed."""
    fields: dict[str, Any] = {"wsgi.input": io.BytesIO(b"1234")}
    with pytest.raises(ProblemError) as caught:
        exchange("/", **fields).body(5)
    assert slug(caught) == "malformed-request"


def test_empty_header_is_absent() -> None:
    """`header` returns None for an empty header field."""
    assert exchange(HTTP_IF_MATCH="").header("IF_MATCH") is None
