"""Tests of the header fields with which a file is served."""

from __future__ import annotations

import base64

import pytest

from tests.servers.upload import new_file
from wharf_upload.downloads import headers


@pytest.mark.parametrize(
    ("media_type", "inline"),
    [
        ("image/png", True),
        ("text/plain", True),
        ("text/html", False),
        ("image/svg+xml", False),
        ("application/xhtml+xml", False),
        ("application/xml", False),
        ("application/pdf", False),
        ("application/octet-stream", False),
    ],
)
def test_only_inert_types_inline(media_type: str, *, inline: bool) -> None:
    """Row 41: a file of a type that a browser could run is an attachment, with any content."""
    fields = dict(headers.file_headers(new_file("a.bin", media_type=media_type)))
    assert fields["Content-Disposition"].startswith("inline" if inline else "attachment")


@pytest.mark.parametrize(
    ("media_type", "inline"), [("text/plain", True), ("image/png", False), ("video/mp4", False)]
)
def test_text_with_markup_is_text(media_type: str, *, inline: bool) -> None:
    """Row 31: a file of two types is an attachment; text with markup is still text."""
    file = new_file("a.bin", media_type=media_type, active=True)
    fields = dict(headers.file_headers(file))
    assert fields["Content-Disposition"].startswith("inline" if inline else "attachment")


def test_download_name() -> None:
    """A download name makes a file of any type an attachment with that name."""
    fields = dict(headers.file_headers(new_file("a.png", media_type="image/png"), "b.png"))
    assert fields["Content-Disposition"].startswith("attachment")
    assert "b.png" in fields["Content-Disposition"]


def test_validators() -> None:
    """ETag, Last-Modified and Repr-Digest are those of the record."""
    file = new_file("a.txt", created_at=1_795_000_000_999)
    fields = dict(headers.file_headers(file))
    assert fields["ETag"] == f'"{file.sha256}"'
    assert fields["Last-Modified"] == "Wed, 18 Nov 2026 11:06:40 GMT"
    encoded = fields["Repr-Digest"].removeprefix("sha-256=:").removesuffix(":")
    assert base64.b64decode(encoded).hex() == file.sha256


@pytest.mark.parametrize(
    ("media_type", "field"),
    [
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("image/png", "image/png"),
        ("application/json", "application/json"),
    ],
)
def test_content_type(media_type: str, field: str) -> None:
    """Only text in UTF-8 is served with its charset, so that browsers do not guess the charset."""
    assert headers.content_type(media_type) == field
    assert headers.content_type(media_type, utf8=False) == media_type
