"""Tests of sizes and types against a bucket's policy."""

from __future__ import annotations

import pytest

from servicekit.tickets import Ticket
from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.upload_intent import (
    TooLarge,
    TypeNotAllowed,
    check_early,
    check_empty,
    check_rename,
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
    """The smallest limit applies and is named; a file of exactly that size is accepted."""
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
    """An empty list allows every type; else a type must match the list and agree with the name."""
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
    """A declared type is kept only if it has the form of a media type."""
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
        ("text/plain", "text/x-yaml", "application/yaml"),
        ("text/plain", "text/x-python", "text/plain"),
    ],
)
def test_served_type(sniffed: str, declared: str | None, served: str) -> None:
    """The declared type refines only plain text, and only to another inert type."""
    assert served_type(sniffed, declared) == served


def test_name_must_agree_where_types_are_limited() -> None:
    """An extension that contradicts the bytes is refused only in a bucket with limited types."""
    check_type("image/png", "page.html", Policy())
    check_type("image/png", "picture.png", Policy(allowed_types=("image/*",)))
    said = r"The bytes are image/png, which does not fit the name page\.html"
    with pytest.raises(TypeNotAllowed, match=said) as caught:
        check_type("image/png", "page.html", Policy(allowed_types=("image/*",)))
    assert caught.value.allowed == ("image/*",)


CSV = "text/csv"


@pytest.mark.parametrize(
    ("allowed", "sniffed", "declared", "filename", "recorded"),
    [
        ((CSV,), "text/plain", CSV, "a.csv", CSV),
        ((CSV,), "text/plain", "TEXT/CSV; header=present", "a.csv", CSV),
        ((CSV,), "text/plain", "application/vnd.ms-excel", "a.csv", CSV),
        ((CSV,), "text/plain", None, "a.csv", CSV),
        (("text/plain",), "text/plain", CSV, "a.csv", CSV),
        (("text/*",), "text/plain", None, "a.csv", "text/plain"),
        (("text/*",), "text/plain", "application/json", "a.json", "application/json"),
        (("application/json",), "text/plain", None, "a.json", "application/json"),
        (("text/markdown",), "text/plain", None, "a.md", "text/markdown"),
        (("application/x-yaml",), "text/plain", None, "a.yml", "application/yaml"),
        (("message/rfc822",), "text/plain", None, "a.eml", "message/rfc822"),
        (("message/*",), "text/plain", "message/rfc822", "a", "message/rfc822"),
        (("application/gpx+xml",), "application/xml", None, "a.gpx", "application/gpx+xml"),
        (("image/x-adobe-dng",), "image/tiff", None, "a.dng", "image/x-adobe-dng"),
        (("image/jpg",), "image/jpeg", None, "a.jpg", "image/jpeg"),
    ],
)
def test_a_policy_is_judged_by_the_type_that_the_record_gets(
    allowed: tuple[str, ...], sniffed: str, declared: str | None, filename: str, recorded: str
) -> None:
    """The record gets the bytes' type, or a claimed kind of that type that the policy allows."""
    policy = Policy(allowed_types=allowed)
    assert check_type(sniffed, filename, policy, declared=declared) == recorded


@pytest.mark.parametrize(
    ("allowed", "sniffed", "declared", "filename"),
    [
        ((CSV,), "text/plain", None, "a.txt"),
        ((CSV,), "text/plain", "application/json", "a.json"),
        ((CSV,), "image/png", CSV, "a.csv"),
        ((CSV,), "text/html", CSV, "a.csv"),
        (("text/html",), "text/plain", "text/html", "a.html"),
        (("image/svg+xml",), "application/xml", "image/svg+xml", "a.svg"),
        (("text/javascript", CSV), "text/plain", "text/javascript", "a.js"),
        (("application/gpx+xml",), "text/plain", "application/gpx+xml", "a.gpx"),
        (("application/pdf",), "text/plain", "application/pdf", "a.pdf"),
        (("image/png",), "image/jpeg", "image/png", "a.png"),
        ((CSV,), "text/plain", CSV, "a.jpg"),
    ],
)
def test_a_word_of_the_client_makes_nothing_else(
    allowed: tuple[str, ...], sniffed: str, declared: str | None, filename: str
) -> None:
    """No declared type or extension gives a type that the bytes exclude, or active content."""
    with pytest.raises(TypeNotAllowed):
        check_type(sniffed, filename, Policy(allowed_types=allowed), declared=declared)


def test_bucket_and_ticket_are_satisfied_by_one_type() -> None:
    """Bucket and ticket both allow the recorded type; a refusal tells which of them refused."""
    ticket = Ticket(bucket="b", prefix="", methods=("PUT",), allowed_types=("application/json",))
    policy = Policy(allowed_types=("text/plain", CSV))
    assert check_type("text/plain", "a.json", policy, ticket) == "application/json"
    with pytest.raises(TypeNotAllowed, match="this ticket takes application/json"):
        check_type("text/plain", "a.csv", policy, ticket)
    with pytest.raises(TypeNotAllowed, match="this bucket takes text/plain"):
        check_type("image/png", "a.png", policy, ticket)
    pictures = Ticket(bucket="b", prefix="", methods=("PUT",), allowed_types=("image/*",))
    for kept in (CSV, "text/plain"):
        with pytest.raises(TypeNotAllowed, match="this ticket takes image"):
            check_type("text/plain", "a", Policy(allowed_types=(kept,)), pictures, declared=CSV)


@pytest.mark.parametrize(
    ("policy", "filename", "fits"),
    [
        (Policy(), "a.png", True),
        (Policy(allowed_extensions=("png",)), "a.png", True),
        (Policy(allowed_types=("image/*",)), "a.png", True),
        (Policy(allowed_types=("image/*",)), "a.txt", False),
        (Policy(allowed_types=("image/*",)), "a", False),
        (Policy(allowed_types=(CSV,)), "a.csv", True),
        (Policy(allowed_types=("text/plain",)), "__init__.py", True),
        (Policy(allowed_types=("*/*",)), "a", True),
    ],
)
def test_an_empty_file_is_judged_by_its_name(policy: Policy, filename: str, *, fits: bool) -> None:
    """An empty file has no type, so its extension decides whether the bucket accepts the file."""
    if fits:
        check_empty(filename, policy)
        check_rename("application/octet-stream", 0, filename, policy)
        return
    with pytest.raises(TypeNotAllowed):
        check_empty(filename, policy)
    with pytest.raises(TypeNotAllowed):
        check_rename("application/octet-stream", 0, filename, policy)


@pytest.mark.parametrize(
    ("head", "allowed", "refused"),
    [
        (b"PK\3\4" + bytes(100), ("application/epub+zip",), False),
        (b"PK\3\4" + bytes(100), ("video/*", "image/png"), True),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), ("application/msword",), False),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), ("application/zip",), True),
        (b"\0\0\0\x10ftypisom" + bytes(100), ("audio/*",), False),
        (bytes(8192), ("application/x-iso9660-image",), False),
        (bytes(8192), ("image/jpeg",), True),
        (b"\x03\x7e\1\1\1\0\0\0\xa1\x20\x20\0" + bytes(8180), ("application/x-dbf",), False),
        (b"BZh91AY&SY" + bytes(100), ("application/x-apple-diskimage",), False),
        (b"\xfd7zXZ\0" + bytes(100), ("application/x-apple-diskimage",), False),
        (b"\0\0\0\x10ftyp3g2a" + bytes(100), ("audio/3gpp2",), False),
        (b"P5\t34\t170\t9\n" + b"a\n" * 4000, ("text/plain",), False),
        (b"P5\t34\t170\t9\n" + b"a\n" * 4000, ("image/*",), False),
        (b"<note>" + b"a" * 8000, ("application/xml",), True),
        (b"a,b\n", (CSV,), False),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), (CSV,), True),
    ],
)
def test_a_first_look_refuses_what_cannot_become_right(
    head: bytes, allowed: tuple[str, ...], *, refused: bool
) -> None:
    """A file is refused early only if no file with this beginning can have an allowed type."""
    policy = Policy(allowed_types=allowed)
    if not refused:
        check_early(head, "a", policy, None, CSV)
        return
    with pytest.raises(TypeNotAllowed):
        check_early(head, "a", policy, None, CSV)


def test_a_first_look_knows_the_rest_of_the_request() -> None:
    """The early check uses name, declared type and ticket, and its refusal names the type found."""
    note = b"<note>" + b"a" * 8000
    check_early(note, "a.xml", Policy(allowed_types=("application/xml",)), None, None)
    texts = Ticket(bucket="b", prefix="", methods=("PUT",), allowed_types=("text/*",))
    archive = b"PK\3\4" + bytes(100)
    check_early(archive, "a", Policy(), None, None)
    with pytest.raises(TypeNotAllowed, match="are application/zip; this ticket takes text"):
        check_early(archive, "a", Policy(), texts, None)


def test_an_empty_file_is_judged_by_the_ticket_too() -> None:
    """An empty file's name must fit bucket and ticket; a refusal tells which of them refused."""
    pictures = Ticket(bucket="b", prefix="", methods=("PUT",), allowed_types=("image/*",))
    check_empty("a.png", Policy(allowed_types=("*/*",)), pictures)
    with pytest.raises(TypeNotAllowed, match="this ticket takes image"):
        check_empty("a.txt", Policy(), pictures)
    with pytest.raises(TypeNotAllowed, match="this bucket takes text"):
        check_empty("a.png", Policy(allowed_types=("text/*",)), pictures)
