"""Sizes and types against a bucket's policy."""

from __future__ import annotations

import pytest

from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.upload_intent import (
    TooLarge,
    TypeNotAllowed,
    check_size,
    check_type,
    declared_type,
    served_type,
    smallest,
)


@pytest.mark.parametrize(
    ("size", "bucket", "tenant", "service", "limit"),
    [
        (10, 10, None, 20, None),
        (11, 10, None, 20, (10, "bucket's file limit")),
        (20, None, None, 20, None),
        (21, None, None, 20, (20, "service's file limit")),
        (21, 30, 30, 20, (20, "service's file limit")),
        (6, 10, 5, 20, (5, "tenant's file limit")),
        (6, 5, 5, 20, (5, "bucket's file limit")),
        (0, 0, None, 20, None),
        (1, 0, None, 20, (0, "bucket's file limit")),
    ],
)
def test_size(
    size: int, bucket: int | None, tenant: int | None, service: int, limit: tuple[int, str] | None
) -> None:
    """The smallest limit counts and is named, and a file of its size fits."""
    largest = smallest(
        ("bucket's file limit", bucket),
        ("tenant's file limit", tenant),
        ("service's file limit", service),
    )
    if limit is None:
        check_size(size, largest)
        return
    with pytest.raises(TooLarge) as caught:
        check_size(size, largest)
    assert (caught.value.limit_bytes, caught.value.limit) == limit


@pytest.mark.parametrize(
    ("allowed", "media_type", "filename", "fits"),
    [
        ((), "application/x-msdownload", "photo.png", True),
        (("image/*",), "image/png", "photo.png", True),
        (("image/*",), "image/png", "photo", True),
        (("image/*",), "image/png", "page.html", False),
        (("image/*",), "text/html", "photo.png", False),
        (("image/*", "application/pdf"), "application/pdf", "a.pdf", True),
        (("application/pdf",), "application/pdfx", "a.pdf", False),
    ],
)
def test_type(allowed: tuple[str, ...], media_type: str, filename: str, *, fits: bool) -> None:
    """Without a rule every type fits, with one only those that match and that the name admits."""
    policy = Policy(allowed_types=allowed)
    if fits:
        check_type(media_type, filename, policy)
        return
    with pytest.raises(TypeNotAllowed) as caught:
        check_type(media_type, filename, policy)
    assert caught.value.media_type == media_type


@pytest.mark.parametrize(
    ("field", "kept"),
    [
        ("text/plain; charset=utf-8", True),
        ("application/vnd.oasis.opendocument.text", True),
        ("text", False),
        ("text/plain\r\nX-Own: 1", False),
        ("text/" + "x" * 200, False),
        ("", False),
        (None, False),
    ],
)
def test_declared_type(field: str | None, *, kept: bool) -> None:
    """Only what has the form of a media type is kept of what a client declares."""
    assert declared_type(field) == (field if kept else None)


@pytest.mark.parametrize(
    ("sniffed", "declared", "served"),
    [
        ("text/plain", "text/csv; charset=utf-8", "text/csv"),
        ("text/plain", "TEXT/Markdown", "text/markdown"),
        ("text/plain", "text/html", "text/plain"),
        ("text/plain", "image/svg+xml", "text/plain"),
        ("text/plain", "application/javascript", "text/plain"),
        ("image/png", "text/csv", "image/png"),
        ("text/html", "text/csv", "text/html"),
        ("", "text/csv", "application/octet-stream"),
        ("text/plain", None, "text/plain"),
    ],
)
def test_served_type(sniffed: str, declared: str | None, served: str) -> None:
    """The client's word refines plain text among inert types, and decides nothing else."""
    assert served_type(sniffed, declared) == served


def test_name_must_agree_where_types_are_limited() -> None:
    """An extension that promises other bytes is refused in a bucket of limited types only."""
    check_type("image/png", "page.html", Policy())
    check_type("image/png", "picture.png", Policy(allowed_types=("image/*",)))
    with pytest.raises(TypeNotAllowed, match=r"page\.html"):
        check_type("image/png", "page.html", Policy(allowed_types=("image/*",)))
