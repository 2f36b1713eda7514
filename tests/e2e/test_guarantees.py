"""Guarantees that every way to store a file keeps: each test runs for each way.

A new way that is missing in the rows of `ways.py` fails `test_every_way_is_walked`.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from tests.e2e.ways import FOLDER, WAYS, Sender, Way
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient, Headers
from tests.servers.wharf.documented import operations
from tests.servers.wharf.tenants import Signer
from wharf_upload.http.upload_protocol import PROTOCOLS

NAME = "a.bin"
NOTHING: Headers = {}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
SIZES = pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
# Types of bodies that contain no file.
_NO_FILES = {"application/json", "application/x-www-form-urlencoded"}


@pytest.fixture
def sender(api: ApiClient, signer: Signer) -> Sender:
    """Return a sender for this test's own tenant."""
    return Sender(api, signer)


def digest(content: bytes) -> str:
    """Return the value of a digest field."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def stored(answer: Answer) -> Answer:
    """Check that the response reports a stored file, and return the response."""
    assert answer.status in (200, 201, 204), answer.body
    assert answer.slug == "", answer.body
    return answer


def told(answer: Answer) -> str:
    """Return the address of the file that the response names."""
    return answer.headers.get("Content-Location") or answer.header("Location")


def document(answer: Answer) -> dict[str, Any]:
    """Return the JSON of the only file."""
    found: dict[str, Any] = answer.json()
    return found["files"][0] if "files" in found else found


@EVERY_WAY
@SIZES
def test_the_key_is_told(sender: Sender, way: Way, content: bytes) -> None:
    """The response to an upload names the file; a client that prefers JSON gets the file's JSON."""
    wish = {"Prefer": "return=representation"}
    answer = stored(way.send(sender, NAME, content, wish, wish))
    assert told(answer) == f"/v1/files/default/{way.folder}{NAME}"
    assert document(answer)["key"] == f"{way.folder}{NAME}"
    assert sender.api.get(told(answer)).body == content


@EVERY_WAY
@SIZES
def test_a_repeated_request(sender: Sender, way: Way, content: bytes) -> None:
    """A repeated request with one Idempotency-Key stores one file.

    A request with this Idempotency-Key and other bytes is refused.
    """
    once = {"Idempotency-Key": "once"}
    first = stored(way.send(sender, NAME, content, once, NOTHING))
    assert "Idempotent-Replayed" not in first.headers
    again = stored(way.send(sender, NAME, content, once, NOTHING))
    assert again.header("Idempotent-Replayed") == "true"
    assert (again.status, told(again), again.body) == (first.status, told(first), first.body)
    other = way.send(sender, NAME, content + b"!", once, NOTHING)
    other.problem(422, "idempotency-key-reused")
    assert sender.api.listed() == [f"{way.folder}{NAME}"]
    assert sender.api.get(told(first)).body == content
    # The parts of a refused concatenation use quota until the client deletes them.
    assert sender.api.used()[1] <= 2


@EVERY_WAY
@SIZES
def test_a_minimal_answer(sender: Sender, way: Way, content: bytes) -> None:
    """A client that prefers a minimal response gets no body, but the address of the file."""
    wish = {"Prefer": "return=minimal"}
    answer = stored(way.send(sender, NAME, content, wish, wish))
    assert answer.body == b""
    assert answer.header("Preference-Applied") == "return=minimal"
    assert sender.api.get(told(answer)).body == content


@EVERY_WAY
@SIZES
@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
def test_digests(sender: Sender, way: Way, content: bytes, field: str) -> None:
    """Wharf stores no bytes that differ from the announced digest."""
    for announced, fits in ((b"other", False), (way.message(NAME, content), True)):
        sent = {field: digest(announced)}
        # Content-Digest covers the bytes of one request,
        # and Repr-Digest the bytes of the whole file.
        first, brings = (NOTHING, sent) if field == "Content-Digest" else (sent, NOTHING)
        answer = way.send(sender, NAME, content, first, brings)
        if fits:
            stored(answer)
        else:
            answer.problem(400, "digest-mismatch")
            assert sender.api.listed() == []
    assert sender.api.file(f"{way.folder}{NAME}").body == content


@EVERY_WAY
@SIZES
def test_creating_only(sender: Sender, way: Way, content: bytes) -> None:
    """`If-None-Match: *` stores a new file, and never changes an existing one."""
    create = {"If-None-Match": "*"}
    answer = stored(way.send(sender, NAME, content, create, NOTHING))
    refused = way.send(sender, NAME, content + b"!", create, NOTHING)
    refused.problem(412, "precondition-failed")
    assert sender.api.listed() == [f"{way.folder}{NAME}"]
    assert sender.api.get(told(answer)).body == content


@EVERY_WAY
@SIZES
def test_replacing_only(sender: Sender, way: Way, content: bytes) -> None:
    """`If-Match` creates no file, and replaces only the file whose entity tag it names."""
    key = f"{way.folder}{NAME}"
    way.send(sender, NAME, content, {"If-Match": "*"}, NOTHING).problem(412, "precondition-failed")
    assert sender.api.listed() == []
    etag = sender.api.stored(key, b"there")["etag"]
    refused = way.send(sender, NAME, content, {"If-Match": '"other"'}, NOTHING)
    refused.problem(412, "precondition-failed")
    assert sender.api.file(key).body == b"there"
    if way.replaces:
        stored(way.send(sender, NAME, content, {"If-Match": etag}, NOTHING))
        assert sender.api.file(key).body == content
        assert sender.api.listed() == [key]


def test_every_way_is_walked(api: ApiClient) -> None:
    """Each operation that accepts a file's bytes, and each protocol, is in a row of `WAYS`."""
    taking = {
        where
        for where, operation in operations(api).items()
        if set(operation.get("requestBody", {}).get("content", {})) - _NO_FILES
    }
    assert {one for way in WAYS.values() for one in way.operations} == taking
    assert {way.protocol for way in WAYS.values()} == set(PROTOCOLS)
    assert {way.folder for way in WAYS.values()} == {"", FOLDER}
