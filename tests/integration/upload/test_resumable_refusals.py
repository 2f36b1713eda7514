"""A request that is refused, cut or damaged leaves nothing for which the tenant is charged."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

import pytest

from tests.servers.receiver import OCTETS, ReceiverClient, answer_of, receiving
from tests.servers.upload import UploadService, faults_in_counts
from tests.servers.upload_invariants import assert_sound
from tests.servers.wharf.raw_http import until
from wharf_upload.domain.tenant_limits import Limits

FILE = "/v1/files/default/a.bin"


@pytest.fixture
def receiver(upload: UploadService) -> Iterator[ReceiverClient]:
    """Yield a stream server on a service for this test alone."""
    with receiving(upload) as found:
        yield found


def content_digest(content: bytes, algorithm: str = "sha-256") -> dict[str, str]:
    """Return the field `Content-Digest`."""
    digest = hashlib.new(algorithm.replace("-", ""), content).digest()
    return {"Content-Digest": f"{algorithm}=:{base64.b64encode(digest).decode()}:"}


def put(receiver: ReceiverClient, body: bytes, headers: dict[str, str]) -> int:
    """Create an upload by `PUT`, and return the status."""
    sent = {"Tus-Resumable": "", **headers}
    return receiver.request("PUT", FILE, body, sent).status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Length": "3"}, 413),
        ({"Upload-Checksum": "sha1 AAAA"}, 400),
        ({"Upload-Checksum": "sha1 " + base64.b64encode(b"x" * 20).decode()}, 460),
    ],
)
def test_refused_creations_reserve_nothing(
    receiver: ReceiverClient, headers: dict[str, str], status: int
) -> None:
    """A creation that is refused because of its first bytes leaves no upload."""
    fields = {"Upload-Metadata": "filename YQ==", "Upload-Length": "5", "Content-Type": OCTETS}
    answer = receiver.request("POST", "/v1/uploads", b"hello", {**fields, **headers})
    assert answer.status == status, answer.body
    usage = receiver.service.records.usage("demo")
    assert (usage.bytes, usage.files) == (0, 0)
    assert list(receiver.service.settings.resumable_folder.iterdir()) == []
    assert faults_in_counts(receiver.service.database) == []


def test_uploads_without_a_length_keep_to_the_quota(receiver: ReceiverClient) -> None:
    """When the quota is full, bytes of an upload without a length are
    refused before they arrive.
    """
    service = receiver.service
    service.records.put_limits("demo", Limits(max_bytes=10))
    address = receiver.create(None)
    assert receiver.patch(address, 0, b"x" * 8).status == 204
    refused = receiver.patch(address, 8, b"x" * 3)
    assert (refused.status, refused.slug) == (507, "tenant-quota-exceeded")
    assert receiver.offset(address) == 8
    # Two concurrent requests cannot both use the rest of the quota.
    other = receiver.create(None)
    slow = receiver.begin(other, 0, 2)
    assert until(lambda: service.records.usage("demo").bytes == 10)
    assert receiver.patch(address, 8, b"x").status == 507
    assert answer_of(slow, b"xx").status == 204
    assert service.records.usage("demo").bytes == 10
    assert faults_in_counts(service.database) == []


def test_cut_without_a_length(receiver: ReceiverClient) -> None:
    """If a request of an upload without a length is cut, the reservation for the
    missing bytes is released.
    """
    service = receiver.service
    address = receiver.create(None)
    slow = receiver.begin(address, 0, 100)
    slow.sendall(b"abc")
    assert until(lambda: service.records.usage("demo").bytes == 100)
    slow.close()
    assert until(lambda: service.records.usage("demo").bytes == 3)
    assert receiver.offset(address) == 3
    assert faults_in_counts(service.database) == []


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_content_digests_of_appended_bytes(receiver: ReceiverClient, algorithm: str) -> None:
    """A request whose bytes do not match its Content-Digest appends no bytes (RFC 9530)."""
    address = receiver.create(6)
    refused = receiver.patch(address, 0, b"abX", content_digest(b"abc", algorithm))
    assert (refused.status, refused.slug) == (400, "digest-mismatch")
    assert receiver.offset(address) == 0
    assert receiver.patch(address, 0, b"abc", content_digest(b"abc", algorithm)).status == 204
    assert receiver.patch(address, 3, b"def", content_digest(b"def", algorithm)).status == 204
    assert receiver.service.content("tus.bin") == b"abcdef"
    assert_sound(receiver.service)


def test_a_malformed_content_digest(receiver: ReceiverClient) -> None:
    """A malformed Content-Digest is refused before the bytes are received."""
    address = receiver.create(6)
    answer = receiver.patch(address, 0, b"abc", {"Content-Digest": "sha-256=abc"})
    assert (answer.status, answer.slug) == (400, "invalid-digest")
    assert receiver.offset(address) == 0


def test_content_digest_of_a_creation(receiver: ReceiverClient) -> None:
    """A `PUT` with the complete file is verified against its Content-Digest."""
    whole = {"Upload-Complete": "?1"}
    assert put(receiver, b"abX", {**whole, **content_digest(b"abc")}) == 400
    assert receiver.service.records.usage("demo").files == 0
    assert put(receiver, b"abc", {**whole, **content_digest(b"abc")}) == 201
    assert receiver.service.content("a.bin") == b"abc"


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_encoded_bytes_are_refused(receiver: ReceiverClient, method: str) -> None:
    """Bytes with a Content-Encoding are refused, since the service stores bytes as they arrive."""
    fields = {"Content-Encoding": "gzip", "Content-Type": OCTETS}
    if method == "PATCH":
        answer = receiver.patch(receiver.create(3), 0, b"abc", fields)
    else:
        fields |= {"Upload-Metadata": "filename YQ==", "Upload-Length": "3"}
        answer = receiver.request("POST", "/v1/uploads", b"abc", fields)
    assert (answer.status, answer.slug) == (415, "content-encoding")


def test_creation_with_part_of_the_bytes(receiver: ReceiverClient) -> None:
    """The Content-Digest of the first bytes and the Repr-Digest of the complete file
    are both checked.
    """
    whole = content_digest(b"abcdef")["Content-Digest"]
    fields = {"Upload-Complete": "?0", "Repr-Digest": whole, **content_digest(b"abc")}
    answer = receiver.request("PUT", FILE, b"abc", {**fields, "Tus-Resumable": ""})
    assert answer.status == 201, answer.body
    assert (
        receiver.patch(answer.headers["Location"], 3, b"def", {"Upload-Length": "6"}).status == 204
    )
    assert receiver.service.content("a.bin") == b"abcdef"


def test_creation_of_unknown_size(receiver: ReceiverClient) -> None:
    """A creation without Content-Length gets 411 and leaves no upload."""
    fields = {"Upload-Complete": "?1"}
    connection = receiver.open("PUT", FILE, None, {**fields, "Tus-Resumable": ""})
    assert answer_of(connection).status == 411
    assert receiver.service.records.usage("demo").files == 0
