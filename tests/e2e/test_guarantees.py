"""Every way to store a file keeps the same guarantees: the product of both is walked.

A way that is new and stands in no row of `ways.py` fails `test_every_way_is_walked`.
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
# Bodies that bring no file.
_NO_FILES = {"application/json", "application/x-www-form-urlencoded"}


@pytest.fixture
def sender(api: ApiClient, signer: Signer) -> Sender:
    """A client of this test's own tenant."""
    return Sender(api, signer)


def digest(content: bytes) -> str:
    """A digest field."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def stored(answer: Answer) -> Answer:
    """The answer, which must be of a file that is stored."""
    assert answer.status in (200, 201, 204), answer.body
    assert answer.slug == "", answer.body
    return answer


def told(answer: Answer) -> str:
    """The address of the file, as the answer names it."""
    return answer.headers.get("Content-Location") or answer.header("Location")


def document(answer: Answer) -> dict[str, Any]:
    """The JSON of the one file."""
    found: dict[str, Any] = answer.json()
    return found["files"][0] if "files" in found else found


@EVERY_WAY
@SIZES
def test_the_key_is_told(sender: Sender, way: Way, content: bytes) -> None:
    """The answer names the file that was stored, and its JSON can be had."""
    wish = {"Prefer": "return=representation"}
    answer = stored(way.send(sender, NAME, content, wish, wish))
    assert told(answer) == f"/v1/files/default/{way.folder}{NAME}"
    assert document(answer)["key"] == f"{way.folder}{NAME}"
    assert sender.api.get(told(answer)).body == content


@EVERY_WAY
@SIZES
def test_a_repeated_request(sender: Sender, way: Way, content: bytes) -> None:
    """With one Idempotency-Key the same file is stored once, and other bytes are refused."""
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
    # A part of a refused concatenation counts until it is given up.
    assert sender.api.used()[1] <= 2


@EVERY_WAY
@SIZES
def test_a_minimal_answer(sender: Sender, way: Way, content: bytes) -> None:
    """Who prefers a minimal answer gets no body, and still the address of the file."""
    wish = {"Prefer": "return=minimal"}
    answer = stored(way.send(sender, NAME, content, wish, wish))
    assert answer.body == b""
    assert answer.header("Preference-Applied") == "return=minimal"
    assert sender.api.get(told(answer)).body == content


@EVERY_WAY
@SIZES
@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
def test_digests(sender: Sender, way: Way, content: bytes, field: str) -> None:
    """Bytes that are not those of the announced digest are not stored."""
    for announced, fits in ((b"other", False), (way.message(NAME, content), True)):
        sent = {field: digest(announced)}
        # Content-Digest is of one request's bytes, Repr-Digest of the whole.
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
    """`If-None-Match: *` stores a new file, and never touches one that is there."""
    create = {"If-None-Match": "*"}
    answer = stored(way.send(sender, NAME, content, create, NOTHING))
    refused = way.send(sender, NAME, content + b"!", create, NOTHING)
    refused.problem(412, "precondition-failed")
    assert sender.api.listed() == [f"{way.folder}{NAME}"]
    assert sender.api.get(told(answer)).body == content


@EVERY_WAY
@SIZES
def test_replacing_only(sender: Sender, way: Way, content: bytes) -> None:
    """`If-Match` creates nothing, and replaces the very file that it names."""
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
    """Each operation that takes a file's bytes, and each protocol, stands in a row of `WAYS`."""
    taking = {
        where
        for where, operation in operations(api).items()
        if set(operation.get("requestBody", {}).get("content", {})) - _NO_FILES
    }
    assert {one for way in WAYS.values() for one in way.operations} == taking
    assert {way.protocol for way in WAYS.values()} == set(PROTOCOLS)
    assert {way.folder for way in WAYS.values()} == {"", FOLDER}
