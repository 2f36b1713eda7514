"""Tests of the headers of parts and of Content-Type, from real and hostile clients."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.uploads.multipart.part_headers import (
    MalformedMultipart,
    PartHeaders,
    boundary_of,
    parse,
)


def headers(disposition: str | bytes, *more: bytes) -> bytes:
    """Return the header lines of a part."""
    raw = disposition.encode() if isinstance(disposition, str) else disposition
    return b"\r\n".join((b"Content-Disposition: form-data" + raw, *more))


def test_all_fields_are_read() -> None:
    """Names of header fields are read in any case, and values without surrounding white space."""
    block = headers(
        "; name=f; filename=n", b"content-TYPE:\timage/png \t", b"Content-Digest: sha-256=:AA==:"
    )
    assert parse(block, 3) == PartHeaders("f", "n", "image/png", "sha-256=:AA==:")


def test_a_plain_field_has_no_file_name() -> None:
    """A missing file name gives None, and an empty file name gives an empty text."""
    assert parse(headers("; name=f"), 32).filename is None
    assert parse(headers('; name=f; filename=""'), 32).filename == ""


@given(st.binary(max_size=120), st.binary(max_size=60))
def test_any_header_is_read_or_refused(disposition: bytes, line: bytes) -> None:
    """Any bytes are parsed or raise MalformedMultipart."""
    for block in (line, headers(disposition), headers(b"; name=" + disposition, line)):
        try:
            parse(block, 32)
        except MalformedMultipart:
            continue


@given(st.text(st.characters(codec="utf-8", exclude_characters='"\\\r\n%', min_codepoint=32)))
def test_browser_names_round_trip(name: str) -> None:
    """A name that is encoded as by a browser is decoded exactly, quotes and CRLF included."""
    if "\x7f" in name:
        return
    hard = f'{name}"\r\n'
    encoded = hard.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    assert parse(headers(f'; name="x"; filename="{encoded}"'), 32).filename == hard


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('; filename="a.txt"; name="f"', "a.txt"),
        ('; name="f"; FileName=a.txt', "a.txt"),
        ('; name="f"; filename="x.txt"; filename*=UTF-8\'\'%e2%82%ac.txt', "€.txt"),
        ('; name="f"; filename*=utf-8\'en\'%e2%82%ac.txt; filename="x.txt"', "€.txt"),
        ("; name=\"f\"; filename*=iso-8859-1''%e9.txt", "é.txt"),
        ('; name="f"; filename="日本語.txt"', "日本語.txt"),
        ('; name="f"; filename="a%22b%0D%0A%25%0a.txt"', 'a"b\r\n%25%0a.txt'),
        ('; name="f"; filename="a\\"b.txt"', 'a"b.txt'),
        ('; name="f"; filename="a\\\\b.txt"', "a\\b.txt"),
        ('; name="f"; filename="C:\\Users\\new\\a.txt"', "C:\\Users\\new\\a.txt"),
        ('; name="f"; filename="a\\"', "a\\"),
        ('; name="f"; filename="a\\"; x=y', "a\\"),
        ('; name="f"; filename="a;b=c.txt"', "a;b=c.txt"),
    ],
)
def test_file_names(disposition: str, filename: str) -> None:
    """File names are read as browsers, curl and old Internet Explorer write them."""
    block = f"Content-Disposition: form-data{disposition}".encode()
    assert parse(block, 32).filename == filename


@pytest.mark.parametrize(
    "block",
    [
        b"no headers",
        b"",
        b"Content-Type: text/plain",
        headers('; filename="n"'),
        headers("; name=f; name=g"),
        headers('; name="f"; filename="a"; filename="b"'),
        headers('; name="f"; filename*0="a"; filename*1="b"'),
        headers("; name=\"f\"; filename*=''x"),
        headers("; name=\"f\"; filename*=UTF-8''%ff"),
        headers("; name=\"f\"; filename*=gbk''x"),
        headers(b'; name="f"; filename="\xe9.txt"'),
        headers(b'; name="f"; filename="a\x00b"'),
        headers(b'; name="f"; filename="a\nb"'),
        headers('; name="f"; filename="a'),
        headers('; name="f"; filename=a b'),
        headers("; name=f" + ";" * 50),
        headers("; name=f", b"Content-Transfer-Encoding: base64"),
        headers("; name=f", b"Content-Disposition: form-data; name=g"),
        headers("; name=f", *(b"X-%d: y" % i for i in range(32))),
        headers("; name=f", b"bad header: x"),
        b"Content-Disposition: attachment; name=f",
        b"Content-Disposition: form-datax; name=f",
    ],
)
def test_malformed_parts_are_refused(block: bytes) -> None:
    """Missing, doubled, too many, too long and non-UTF-8 headers raise MalformedMultipart."""
    with pytest.raises(MalformedMultipart):
        parse(block, 32)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ("Multipart/Form-Data;BOUNDARY=abc; charset=utf-8", b"abc"),
        ('multipart/form-data; charset=utf-8; boundary="a b:c"', b"a b:c"),
        ("multipart/form-data; boundary=----=_Part_1:2/3", b"----=_Part_1:2/3"),
        ("multipart/form-data; boundary=" + "a" * 70, b"a" * 70),
    ],
)
def test_boundaries(content_type: str, boundary: bytes) -> None:
    """A boundary of RFC 2046 is read with and without quotation marks."""
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain; boundary=a",
        "multipart/mixed; boundary=a",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data;",
        "multipart/form-data; boundary=" + "a" * 71,
        'multipart/form-data; boundary="a "',
        "multipart/form-data; boundary=é",
        'multipart/form-data; boundary="a\\"b"',
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-datax; boundary=a",
        'multipart/form-data; boundary="a\r\nb"',
        "multipart/form-data; boundary=a b",
    ],
)
def test_bad_boundaries_are_refused(content_type: str) -> None:
    """A wrong type, and a missing, doubled, long or invalid boundary raise MalformedMultipart."""
    with pytest.raises(MalformedMultipart):
        boundary_of(content_type)
