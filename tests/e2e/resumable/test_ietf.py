"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload)."""

from __future__ import annotations

import base64
import hashlib
import os

import pytest

from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.tenants import Signer

PATCH = {"Content-Type": "application/partial-upload"}


def begin(api: ApiClient, key: str, **headers: str) -> str:
    """Create an upload with an empty request, and return its address."""
    sent = {"Upload-Complete": "?0", "Upload-Draft-Interop-Version": "8", **headers}
    answer = api.put(key, b"", sent)
    assert answer.status == 201, answer.body
    assert answer.header("Upload-Complete") == "?0"
    assert "max-size=" in answer.header("Upload-Limit")
    return answer.header("Location")


def append(
    api: ApiClient, address: str, offset: int, content: bytes, *, last: bool, **headers: str
) -> Answer:
    """Send a PATCH with bytes."""
    sent = {
        **PATCH,
        "Upload-Offset": str(offset),
        "Upload-Complete": "?1" if last else "?0",
        **headers,
    }
    return api.request("PATCH", address, content, sent)


def test_in_pieces(api: ApiClient) -> None:
    """Pieces become one file, and the last piece gets a 201 with the digest of the whole file."""
    content = os.urandom(2_500_000)
    address = begin(api, "ietf/pieces.bin")
    first = append(api, address, 0, content[:1_000_000], last=False)
    assert first.status == 204
    assert (first.header("Upload-Offset"), first.header("Upload-Complete")) == ("1000000", "?0")
    answer = append(api, address, 1_000_000, content[1_000_000:], last=True)
    assert answer.status == 201
    assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()
    assert answer.header("Upload-Complete") == "?1"
    assert api.file("ietf/pieces.bin").body == content


def test_in_one(api: ApiClient) -> None:
    """A PUT with `Upload-Complete: ?1` stores its body as a whole file."""
    answer = api.put("ietf/one.bin", b"x" * 200_000, {"Upload-Complete": "?1"})
    assert answer.status == 201
    assert answer.json()["size"] == 200_000
    assert answer.header("Location") == "/v1/files/default/ietf/one.bin"


def test_offset(api: ApiClient) -> None:
    """HEAD returns the offset, the state and the limits of an upload."""
    address = begin(api, "ietf/offset.bin")
    append(api, address, 0, b"12345", last=False)
    answer = api.request("HEAD", address)
    assert answer.status == 204
    assert answer.header("Upload-Offset") == "5"
    assert answer.header("Upload-Complete") == "?0"
    assert answer.header("Cache-Control") == "no-store"
    assert "max-age=" in answer.header("Upload-Limit")


def test_wrong_offset(api: ApiClient) -> None:
    """A PATCH with a wrong offset gets a 409 that states the right offset."""
    address = begin(api, "ietf/wrong.bin")
    append(api, address, 0, b"12345", last=False)
    answer = append(api, address, 4, b"6", last=True)
    found = answer.problem(409, "mismatching-upload-offset")
    assert (found["expected_offset"], found["provided_offset"]) == (5, 4)
    assert answer.header("Upload-Offset") == "5"
    assert answer.header("Upload-Complete") == "?0"


def test_lengths_that_contradict(api: ApiClient) -> None:
    """A request that contradicts the announced length of its upload gets a 400."""
    address = begin(api, "ietf/length.bin", **{"Upload-Length": "10"})
    answer = append(api, address, 0, b"12345", last=True)
    answer.problem(400, "inconsistent-upload-length")


def test_digest_of_the_whole(api: ApiClient) -> None:
    """Wharf verifies the Repr-Digest of the creation at the end, and stores no other bytes."""
    good = base64.b64encode(hashlib.sha256(b"12345").digest()).decode()
    for key, content, status in (("ok", b"12345", 201), ("bad", b"54321", 400)):
        address = begin(api, key, **{"Repr-Digest": f"sha-256=:{good}:"})
        assert append(api, address, 0, content, last=True).status == status
    assert api.listed() == ["ok"]


def test_preconditions(api: ApiClient) -> None:
    """`If-None-Match` of the creation is checked again at the end of the upload."""
    address = begin(api, "ietf/new.bin", **{"If-None-Match": "*"})
    api.stored("ietf/new.bin")
    assert append(api, address, 0, b"x", last=True).status == 412
    assert api.request("HEAD", address).status == 404


@pytest.mark.parametrize("condition", [{"If-None-Match": "*"}, {"If-Match": '"other"'}])
def test_preconditions_at_the_creation(api: ApiClient, condition: dict[str, str]) -> None:
    """A creation whose condition fails is refused, and reserves nothing."""
    api.stored("ietf/there.bin", b"there")
    before = api.used()
    sent = {"Upload-Complete": "?0", "Upload-Length": "1000", **condition}
    api.put("ietf/there.bin", b"", sent).problem(412, "precondition-failed")
    assert api.used() == before
    # With an Idempotency-Key the creation succeeds: an
    # earlier try of this request may have stored the file.
    begin(api, "ietf/there.bin", **{**condition, "Idempotency-Key": "once"})


def test_a_taken_key_at_the_creation(api: ApiClient, signer: Signer) -> None:
    """A ticket that may not replace files cannot begin an upload for a taken key."""
    api.stored("in/a.bin", b"there")
    rules = {"bucket": "default", "prefix": "in/"}
    ticket = signer.token(tid=api.tenant, scope="files:write", ticket=rules)
    anyone, sent = api.using(None), {"Upload-Complete": "?0"}
    anyone.request("PUT", f"/u/{ticket}/a.bin", b"", sent).problem(409, "key-taken")
    assert anyone.request("PUT", f"/u/{ticket}/b.bin", b"", sent).status == 201


@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("target", ["/v1/files/default", "/v1/files/default/"])
def test_an_address_without_a_key(api: ApiClient, target: str, content: bytes) -> None:
    """A part for an address without a key gets a 405 with the same methods as a whole file."""
    whole = api.request("PUT", target, content)
    part = api.request("PUT", target, content, {"Upload-Complete": "?0"})
    for answer in (whole, part):
        answer.problem(405, "method-not-allowed")
    named = [set(answer.header("Allow").split(", ")) for answer in (whole, part)]
    assert named[0] == named[1]


def test_an_empty_file(api: ApiClient) -> None:
    """A creation with length 0 stores an empty file, although its `Upload-Complete` is `?0`."""
    sent = {"Upload-Complete": "?0", "Upload-Length": "0"}
    answer = api.put("ietf/empty.bin", b"", sent)
    assert (answer.status, answer.header("Upload-Complete")) == (201, "?1")
    assert answer.json()["size"] == 0
    assert api.listed() == ["ietf/empty.bin"]
    assert api.file("ietf/empty.bin").body == b""


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("content", [b"", b"12345"])
def test_an_end_without_bytes(api: ApiClient, content: bytes, *, last: bool) -> None:
    """A request without bytes stores the file if its `Upload-Length` equals the offset.

    `Upload-Complete` may be `?0` or `?1` in this request.
    """
    address = begin(api, "ietf/end.bin")
    assert append(api, address, 0, content, last=False).status == 204
    length = {"Upload-Length": str(len(content))}
    answer = append(api, address, len(content), b"", last=last, **length)
    assert (answer.status, answer.header("Upload-Complete")) == (201, "?1")
    assert api.file("ietf/end.bin").body == content


def test_a_digest_in_the_middle(api: ApiClient) -> None:
    """Wharf verifies a Repr-Digest of any request of an upload, and stores no other bytes."""
    good = base64.b64encode(hashlib.sha256(b"12345").digest()).decode()
    for key, end, status in (("ok", b"45", 201), ("bad", b"54", 400)):
        address = begin(api, key)
        digest = {"Repr-Digest": f"sha-256=:{good}:"}
        assert append(api, address, 0, b"123", last=False, **digest).status == 204
        assert append(api, address, 3, end, last=True).status == status
    assert api.listed() == ["ok"]


def test_cancel(api: ApiClient) -> None:
    """DELETE ends an upload."""
    address = begin(api, "ietf/cancel.bin")
    assert api.request("DELETE", address).status == 204
    assert api.request("HEAD", address).status == 404


def test_other_versions(api: ApiClient) -> None:
    """An unsupported draft version gets a 400 that lists the supported versions."""
    sent = {"Upload-Complete": "?0", "Upload-Draft-Interop-Version": "3"}
    found = api.put("x", b"", sent).problem(400, "malformed-request")
    assert found["interop_versions"] == ["8", "9"]


def test_media_type(api: ApiClient) -> None:
    """A PATCH with another media type gets a 415."""
    address = begin(api, "ietf/type.bin")
    answer = append(api, address, 0, b"x", last=True, **{"Content-Type": "text/plain"})
    answer.problem(415, "unsupported-media-type")


def test_only_a_put_begins_one(api: ApiClient) -> None:
    """Upload-Complete has no effect on GET, HEAD and DELETE, so a GET does not overwrite a file."""
    sent = {"Upload-Complete": "?1", "Content-Length": "0"}
    assert api.put("ietf/kept", b"content").status == 201
    assert api.request("GET", "/v1/files/default/ietf/kept", None, sent).body == b"content"
    assert api.request("HEAD", "/v1/files/default/ietf/kept", None, sent).status == 200
    assert api.request("DELETE", "/v1/files/default/ietf/kept", None, sent).status == 204
    assert api.file("ietf/kept").status == 404
