"""Tests of the fields of resumable uploads on requests that store whole files."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.servers.upload import UploadService, form_body
from wharf_upload.domain import structured_fields
from wharf_upload.http import upload_protocol
from wharf_upload.http.completeness import INTEROP_VERSIONS, is_part, speaks
from wharf_upload.http.request import Request
from wharf_upload.problems import UPLOAD_LENGTH

WAYS = pytest.mark.parametrize("spooled", [False, True])
# Versions of drafts that are supported, and older and newer ones.
VERSIONS = [str(number) for number in range(3, 13)]


def problem(reply: TestResponse) -> dict[str, Any]:
    """Return the problem document of a denial or of a response."""
    found: dict[str, Any] = json.loads(reply.headers.get("X-Denied-Problem") or reply.text)
    return found


def asked(**fields: str) -> Request:
    """Return a `PUT` with these header fields."""
    named = {f"HTTP_{name}": value for name, value in fields.items()}
    return Request({"REQUEST_METHOD": "PUT", "PATH_INFO": "/", "REQUEST_URI": "/", **named}, "")


@WAYS
@pytest.mark.parametrize("field", ["Upload-Complete: ?1", "Upload-Incomplete: ?0"])
def test_a_whole_file_is_a_file(upload: UploadService, *, field: str, spooled: bool) -> None:
    """A `PUT` that says it is complete is stored, with any version of the protocol."""
    name, _, value = field.partition(": ")
    for number, version in enumerate([*VERSIONS, "", "6;a=b", "soon"]):
        sent = {name: value, "Upload-Draft-Interop-Version": version}
        reply = upload.put(f"{number}.txt", b"hello", sent, spooled=spooled)
        assert reply.status_code == 201, version
        assert upload.content(f"{number}.txt") == b"hello", version


@pytest.mark.parametrize(
    ("version", "told"), [("", True), ("8", True), ("9", True), ("6", False), ("10", False)]
)
def test_the_protocols_extras(upload: UploadService, version: str, told: object) -> None:
    """A complete `PUT` of a supported version, or without a version, gets the protocol's fields."""
    sent = {"Upload-Complete": "?1", "Upload-Draft-Interop-Version": version}
    reply = upload.put("a.txt", b"hello", sent)
    fields = (reply.headers.get("Upload-Complete"), reply.headers.get("Upload-Offset"))
    assert fields == (("?1", "5") if told else (None, None))
    assert "Upload-Complete" not in upload.put("b.txt", b"hello").headers


NOT_WHOLE = {
    "a part": {"Upload-Complete": "?0"},
    "a part in a version that is spoken": {
        "Upload-Complete": "?0",
        "Upload-Draft-Interop-Version": "8",
    },
    "a part in another version": {"Upload-Complete": "?0", "Upload-Draft-Interop-Version": "6"},
    "a part of an old draft": {"Upload-Incomplete": "?1"},
    "no boolean": {"Upload-Complete": "yes"},
    "no boolean, but a digit": {"Upload-Complete": "0"},
    "no boolean in the old field": {"Upload-Incomplete": "true"},
    "two values": {"Upload-Complete": "?1, ?0"},
    "parameters that are none": {"Upload-Complete": "?1; ?0"},
    "two fields that contradict each other": {"Upload-Complete": "?1", "Upload-Incomplete": "?1"},
    "not the beginning": {"Upload-Offset": "5"},
    "no offset": {"Upload-Offset": "middle"},
}


@WAYS
def test_a_part_is_no_file(upload: UploadService, *, spooled: bool) -> None:
    """A `PUT` that may be a part of a file is refused, and nothing is stored."""
    for what, fields in NOT_WHOLE.items():
        reply = upload.put("a.txt", b"hello", fields, spooled=spooled)
        assert problem(reply)["type"] == "/problems/malformed-request", what
        assert upload.content("a.txt") is None, what
        assert upload.blobs() == set(), what


def test_a_part_in_a_form(upload: UploadService) -> None:
    """A form that may have parts as files is refused, and nothing is stored."""
    for what, fields in NOT_WHOLE.items():
        reply = upload.post_form(form_body([("a.txt", b"hello")]), fields)
        assert problem(reply)["type"] == "/problems/malformed-request", what
        assert upload.content("a.txt") is None, what


def test_what_a_form_is_told(upload: UploadService) -> None:
    """The refusal of a part in a form names the field and tus."""
    reply = upload.post_form(form_body([("a.txt", b"hello")]), {"Upload-Complete": "?0"})
    detail = problem(reply)["detail"]
    assert "Upload-Complete: ?0" in detail
    assert "tus" in detail


def test_a_whole_form(upload: UploadService) -> None:
    """A form that says it is complete is stored."""
    reply = upload.post_form(form_body([("a.txt", b"hello")]), {"Upload-Complete": "?1"})
    assert reply.status_code == 201


@pytest.mark.parametrize("which", ["a part in another version", "a part of an old draft"])
def test_the_versions_are_named(upload: UploadService, which: str) -> None:
    """The refusal of a part in an unsupported version names the supported versions and tus."""
    found = problem(upload.put("a.txt", b"hello", NOT_WHOLE[which]))
    assert found["interop_versions"] == list(INTEROP_VERSIONS)
    assert "tus" in found["detail"]


@WAYS
@pytest.mark.parametrize("complete", [{}, {"Upload-Complete": "?1"}])
def test_a_length_that_is_not_the_contents(
    upload: UploadService, *, complete: dict[str, str], spooled: bool
) -> None:
    """A file with a wrong `Upload-Length` is refused; with a right one it is stored."""
    for length, status in (("100", 400), ("5", 201)):
        sent = {"Upload-Length": length, **complete}
        reply = upload.put("a.txt", b"hello", sent, spooled=spooled)
        if status == 400:
            assert problem(reply)["type"] == f"/problems/{UPLOAD_LENGTH.slug}"
            assert upload.content("a.txt") is None
        else:
            assert reply.status_code == status


def test_a_length_of_chunks(upload: UploadService) -> None:
    """The `Upload-Length` of a body without a length is compared with the bytes that arrived."""
    sent = {"Upload-Length": "100"}
    reply = upload._spool("PUT", "/v1/files/default/a", b"hello", sent, announce=False)
    assert problem(reply)["type"] == f"/problems/{UPLOAD_LENGTH.slug}"
    assert upload.content("a") is None


@pytest.mark.parametrize("fields", [{"UPLOAD_COMPLETE": "?1"}, {}])
def test_the_gateways_word(fields: dict[str, str]) -> None:
    """The gateway's mark makes a request a part; a marked request must not have Upload-Complete."""
    request = asked(**fields)
    assert not is_part(request)
    request.environ["WHARF_PART"] = "1"
    if fields:
        with pytest.raises(Exception, match="twice"):
            is_part(request)
    else:
        assert is_part(request)


@pytest.mark.parametrize(
    ("fields", "protocol"),
    [
        ({"UPLOAD_COMPLETE": "?0"}, "ietf"),
        ({"UPLOAD_INCOMPLETE": "?1"}, "ietf"),
        ({"UPLOAD_COMPLETE": "?1"}, "raw"),
        ({"UPLOAD_INCOMPLETE": "?0"}, "raw"),
        ({}, "raw"),
    ],
)
def test_the_protocol_of_a_refusal(fields: dict[str, str], protocol: str) -> None:
    """A refused `PUT` of a part counts under the IETF protocol, even for an old draft."""
    request = asked(**fields)
    request.environ["REQUEST_URI"] = "/v1/files/default/a.txt"
    assert upload_protocol.of(request) == protocol


def test_the_gateways_word_in_metrics() -> None:
    """A request that the gateway takes for a part counts as a part in the metrics."""
    request = asked(UPLOAD_COMPLETE="?1")
    request.environ.update(REQUEST_URI="/v1/files/default/a.txt", WHARF_PART="1")
    assert upload_protocol.of(request) == "ietf"


def test_both_drafts_agree() -> None:
    """The fields of an old and of a new draft may both be sent if they agree."""
    assert is_part(asked(UPLOAD_COMPLETE="?0", UPLOAD_INCOMPLETE="?1"))
    assert not is_part(asked(UPLOAD_COMPLETE="?1", UPLOAD_INCOMPLETE="?0"))
    assert speaks(asked(UPLOAD_COMPLETE="?1", UPLOAD_INCOMPLETE="?0"))
    assert not speaks(asked(UPLOAD_INCOMPLETE="?0"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("?1", True),
        ("?0", False),
        (" ?0 ", False),
        ("?1;a", True),
        ('?0; a="?1";b=:AA==:', False),
        ("?2", None),
        ("1", None),
        ("true", None),
        ("?1,?1", None),
        ("?1 ;a", None),
        ("?1;", None),
        ("\t?1", None),
        ("", None),
    ],
)
def test_booleans(field: str, value: object) -> None:
    """A boolean is parsed as in RFC 9651, parameters included, and anything else gives None."""
    assert structured_fields.boolean(field) is value


@pytest.mark.parametrize(
    ("field", "value"), [("8", 8), ("-1", -1), ("08;a=b", 8), ("8.0", None), ("8,9", None)]
)
def test_integers(field: str, value: object) -> None:
    """An integer is parsed as in RFC 9651, and a decimal or a list gives None."""
    assert structured_fields.integer(field) == value


@given(st.text())
def test_any_text(field: str) -> None:
    """Any text parses to a value or to None."""
    assert structured_fields.boolean(field) in (True, False, None)
    number = structured_fields.integer(field)
    assert number is None or abs(number) < 10**15
