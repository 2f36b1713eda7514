"""Tests of `Prefer: return=…` (RFC 7240) for files and forms."""

from __future__ import annotations

import pytest

from tests.servers.upload import UploadService, form_body
from wharf_upload.http.preferences import returned
from wharf_upload.http.request import Request


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("", None),
        ("return=minimal", "minimal"),
        ("return=representation", "representation"),
        ("respond-async, return=minimal", "minimal"),
        ('Return = "minimal"; foo=1', "minimal"),
        ("return=representation, return=minimal", "representation"),
        ("return=else, handling=strict", None),
        (",;=,", None),
    ],
)
def test_what_is_preferred(field: str, wanted: str | None) -> None:
    """The first valid `return` preference counts, and anything else is ignored."""
    request = Request({"REQUEST_METHOD": "PUT", "HTTP_PREFER": field}, "")
    assert returned(request) == wanted


def test_a_form_that_wants_little(upload: UploadService) -> None:
    """A form that prefers a minimal response gets no JSON, but the address of its one file."""
    reply = upload.post_form(form_body([("a.txt", b"1")]), {"Prefer": "return=minimal"})
    assert (reply.status_code, reply.data) == (204, b"")
    assert reply.headers["Preference-Applied"] == "return=minimal"
    assert reply.headers["Location"] == "/v1/files/default/a.txt"
