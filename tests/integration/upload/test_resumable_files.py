"""The file of a resumable upload: its name, its metadata and its guarantees."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator

import msgspec
import pytest

from tests.servers.receiver import OCTETS, Answer, ReceiverClient, receiving
from tests.servers.upload import UploadService, faults_in_counts
from tests.servers.upload_invariants import assert_sound
from wharf_upload.domain.file_metadata import MAX_CHARACTERS
from wharf_upload.domain.tenant_limits import Limits

FILE = "/v1/files/default/a.bin"
PATCH = {"Tus-Resumable": "", "Content-Type": "application/partial-upload"}
MINIMAL, WHOLE = {"Prefer": "return=minimal"}, {"Prefer": "return=representation"}


@pytest.fixture
def receiver(upload: UploadService) -> Iterator[ReceiverClient]:
    """Yield a stream server on a service for this test alone."""
    with receiving(upload) as found:
        yield found


def metadata(**fields: str) -> str:
    """Return the value of `Upload-Metadata`."""
    return ",".join(
        f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items()
    )


def creation(
    receiver: ReceiverClient, body: bytes, headers: dict[str, str] | None = None
) -> Answer:
    """Create a tus upload with all its bytes, and return the response. The default name is
    `tus.bin`.
    """
    fields = {"Upload-Metadata": metadata(filename="tus.bin"), "Content-Type": OCTETS}
    sent = {**fields, "Upload-Length": str(len(body)), **(headers or {})}
    return receiver.request("POST", "/v1/uploads", body, sent)


def begin(receiver: ReceiverClient, headers: dict[str, str] | None = None) -> str:
    """Create an upload of `a.bin` in the IETF protocol, and return its address."""
    sent = {"Tus-Resumable": "", "Upload-Complete": "?0", **(headers or {})}
    answer = receiver.request("PUT", FILE, b"", sent)
    assert answer.status == 201, answer.body
    return str(answer.headers["Location"])


def end(
    receiver: ReceiverClient, address: str, body: bytes, headers: dict[str, str] | None = None
) -> Answer:
    """Send all bytes of an upload in one last `PATCH`, and return the response."""
    return receiver.patch(address, 0, body, {**PATCH, "Upload-Complete": "?1", **(headers or {})})


def digest(content: bytes) -> str:
    """Return the value of `Repr-Digest`."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def document(answer: Answer) -> dict[str, object]:
    """Return the file's JSON."""
    found: dict[str, object] = msgspec.json.decode(answer.body)
    return found


def test_a_renamed_file_is_named(receiver: ReceiverClient) -> None:
    """The last PATCH and a later HEAD return the file's address. A file whose key is taken gets
    another key.
    """
    for name in ("tus.bin", "tus%20(2).bin"):
        address = receiver.create(3)
        assert "Content-Location" not in receiver.head(address).headers
        location = f"/v1/files/default/{name}"
        assert receiver.patch(address, 0, b"abc").headers["Content-Location"] == location
        assert receiver.head(address).headers["Content-Location"] == location


def test_a_creation_with_all_bytes_names_the_file(receiver: ReceiverClient) -> None:
    """A creation with all bytes returns the address of the upload and the address of the file."""
    answer = creation(receiver, b"abc")
    assert answer.status == 201
    assert str(answer.headers["Location"]).startswith("/v1/uploads/")
    assert answer.headers["Content-Location"] == "/v1/files/default/tus.bin"


def test_a_final_upload_names_the_file(receiver: ReceiverClient) -> None:
    """A concatenation returns the address of its file as soon as the file exists."""
    parts = [receiver.create(3, {"Upload-Concat": "partial"}) for _ in range(2)]
    joining = {"Upload-Concat": f"final;{' '.join(parts)}", "Upload-Length": ""}
    early = receiver.creation(0, joining)
    assert "Content-Location" not in early.headers
    for part in parts:
        answer = receiver.patch(part, 0, b"abc")
        # A partial upload does not become a file.
        assert "Content-Location" not in answer.headers
    final = receiver.head(str(early.headers["Location"]))
    assert final.headers["Content-Location"] == "/v1/files/default/tus.bin"


def test_the_ietf_answer_names_the_file(receiver: ReceiverClient) -> None:
    """The last response of the IETF protocol, and a later HEAD, return the file's address."""
    address = begin(receiver)
    assert end(receiver, address, b"abc").headers["Content-Location"] == FILE
    seen = receiver.request("HEAD", address, headers={"Tus-Resumable": ""})
    assert (seen.status, seen.headers["Content-Location"]) == (204, FILE)


def test_json_with_tus(receiver: ReceiverClient) -> None:
    """With `return=representation` a client gets the file's JSON from PATCH, creation and GET."""
    address = receiver.create(3)
    patched = receiver.patch(address, 0, b"abc", WHOLE)
    got = receiver.request("GET", address, headers=WHOLE)
    made = creation(receiver, b"abc", WHOLE)
    assert [answer.status for answer in (patched, got, made)] == [200, 200, 201]
    for answer in (patched, got, made):
        assert answer.headers["Preference-Applied"] == "return=representation"
        assert answer.headers["Upload-Offset"] == "3"
    assert document(patched) == document(got)
    assert document(made)["key"] == "tus (2).bin"


def test_tus_without_a_preference(receiver: ReceiverClient) -> None:
    """A tus client without a preference gets 204 without a body, as tus requires."""
    for wish in ({}, MINIMAL):
        address = receiver.create(3)
        answer = receiver.patch(address, 0, b"abc", wish)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers.get("Preference-Applied") == wish.get("Prefer")


def test_json_before_the_end(receiver: ReceiverClient) -> None:
    """Before the file exists, a response has no JSON, even with `return=representation`."""
    address = receiver.create(6)
    assert receiver.patch(address, 0, b"abc", WHOLE).status == 204
    assert receiver.request("GET", address, headers=WHOLE).body == b""


def test_a_minimal_answer_of_the_ietf(receiver: ReceiverClient) -> None:
    """With `return=minimal` the last request of the IETF protocol gets a response without JSON."""
    answer = end(receiver, begin(receiver), b"abc", MINIMAL)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Location"] == FILE
    assert answer.headers["Preference-Applied"] == "return=minimal"


def test_own_metadata(receiver: ReceiverClient) -> None:
    """Unknown pairs of `Upload-Metadata` become the file's metadata."""
    fields = metadata(
        filename="a.txt", filetype="text/plain", on_conflict="error", author="王小明", empty=""
    )
    made = creation(receiver, b"abc", {"Upload-Metadata": fields, **WHOLE})
    assert document(made)["metadata"] == {"author": "王小明", "empty": ""}
    assert document(made)["key"] == "a.txt"


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (metadata(filename="a", long="x" * (MAX_CHARACTERS + 1)), "1024 characters"),
        (metadata(filename="a", **{f"n{i}": "\x01" * 250 for i in range(6)}), "bytes of JSON"),
    ],
    ids=["a value", "all"],
)
def test_metadata_that_does_not_fit(receiver: ReceiverClient, field: str, says: str) -> None:
    """Metadata that is too large for a file is refused at the creation, and nothing is reserved."""
    answer = creation(receiver, b"abc", {"Upload-Metadata": field})
    assert (answer.status, answer.slug) == (400, "malformed-request")
    assert says in json.loads(answer.body)["detail"]
    assert receiver.service.records.usage("demo").files == 0


def test_repeated_creations(receiver: ReceiverClient) -> None:
    """Two creations with one Idempotency-Key and the same bytes make one file, counted once."""
    once = {"Idempotency-Key": "once"}
    first, again = (creation(receiver, b"abc", once) for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Content-Location"] == first.headers["Content-Location"]
    usage = receiver.service.records.usage("demo")
    assert (usage.bytes, usage.files) == (3, 1)
    assert len(receiver.service.blobs()) == 1
    assert_sound(receiver.service)


@pytest.mark.parametrize("other", ["bytes", "name", "metadata"])
def test_a_key_of_another_creation(receiver: ReceiverClient, other: str) -> None:
    """A creation is refused if its Idempotency-Key was used with other bytes, another
    name or other metadata.
    """
    assert creation(receiver, b"abc", {"Idempotency-Key": "once"}).status == 201
    fields = {
        "bytes": metadata(filename="tus.bin"),
        "name": metadata(filename="b.bin"),
        "metadata": metadata(filename="tus.bin", author="me"),
    }
    body = b"abX" if other == "bytes" else b"abc"
    sent = {"Idempotency-Key": "once", "Upload-Metadata": fields[other]}
    answer = creation(receiver, body, sent)
    assert (answer.status, answer.slug) == (422, "idempotency-key-reused")
    assert receiver.service.records.usage("demo").files == 1
    assert list(receiver.service.settings.resumable_folder.iterdir()) == []
    assert faults_in_counts(receiver.service.database) == []


def test_one_key_in_both_protocols(receiver: ReceiverClient) -> None:
    """A PUT and a resumable upload with one Idempotency-Key count as the same request."""
    once = {"Idempotency-Key": "once"}
    stored = receiver.service.put("a.bin", b"abc", once)
    answer = end(receiver, begin(receiver, once), b"abc")
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert document(answer) == stored.json
    wrong = end(receiver, begin(receiver, once), b"abX")
    assert (wrong.status, wrong.slug) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("protocol", ["tus", "ietf"])
@pytest.mark.parametrize("at", ["creation", "end"])
def test_digest_of_the_whole(receiver: ReceiverClient, protocol: str, at: str) -> None:
    """A Repr-Digest is checked in both protocols, whether the first or the
    last request contains it.
    """
    whole = {"Repr-Digest": digest(b"abc")}
    first, last = (whole, {}) if at == "creation" else ({}, whole)
    for body, status in ((b"abX", 400), (b"abc", 201 if protocol == "ietf" else 204)):
        if protocol == "ietf":
            answer = end(receiver, begin(receiver, first), body, last)
        else:
            answer = receiver.patch(receiver.create(3, first), 0, body, last)
        assert answer.status == status, answer.body
        assert answer.slug == ("digest-mismatch" if status == 400 else "")
    assert receiver.service.records.usage("demo").files == 1


def test_two_digests_of_one_file(receiver: ReceiverClient) -> None:
    """A Repr-Digest that differs from the creation's is refused, and the upload is kept."""
    address = receiver.create(3, {"Repr-Digest": digest(b"abc")})
    answer = receiver.patch(address, 0, b"abX", {"Repr-Digest": digest(b"abX")})
    assert (answer.status, answer.slug) == (400, "invalid-digest")
    assert receiver.patch(address, 0, b"abc").status == 204


def ticket(service: UploadService, **rules: object) -> str:
    """Return a ticket for `in/` of the bucket `default`, unless its rules name another place."""
    named = rules if "key" in rules else {"prefix": "in/", **rules}
    return service.issuer.token(
        tid=service.tenant, scope="files:write", ticket={"bucket": "default", **named}
    )


def by_ticket(
    receiver: ReceiverClient,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send a request of the IETF protocol whose only credential is the ticket in its address, and
    return the response.
    """
    sent = {"Authorization": "", "Tus-Resumable": "", **(headers or {})}
    return receiver.request(method, path, body, sent)


def test_parts_by_ticket(receiver: ReceiverClient) -> None:
    """A ticket in the path starts an upload, whose address needs no other credential."""
    path = f"/u/{ticket(receiver.service, max_files=1)}/half.txt"
    begun = by_ticket(receiver, "PUT", path, b"first ", {"Upload-Complete": "?0"})
    assert begun.status == 201, begun.body
    assert receiver.service.content("in/half.txt") is None
    address = str(begun.headers["Location"])
    seen = by_ticket(receiver, "HEAD", address)
    assert (seen.status, seen.headers["Upload-Offset"]) == (204, "6")
    rest = {"Content-Type": PATCH["Content-Type"], "Upload-Offset": "6", "Upload-Complete": "?1"}
    ended = by_ticket(receiver, "PATCH", address, b"second", rest)
    assert (ended.status, ended.headers["Location"]) == (201, "/v1/files/default/in/half.txt")
    assert receiver.service.content("in/half.txt") == b"first second"
    # The ticket is used up now, but it may still read the result of its upload.
    assert by_ticket(receiver, "HEAD", address).headers["Upload-Complete"] == "?1"
    more = by_ticket(receiver, "PUT", path, b"", {"Upload-Complete": "?0"})
    assert (more.status, more.slug) == (403, "ticket-used-up")


def test_a_ticket_for_a_key_in_parts(receiver: ReceiverClient) -> None:
    """A ticket that names a key starts an upload of this key."""
    token = ticket(receiver.service, key="in/one.txt")
    begun = by_ticket(receiver, "PUT", f"/u/{token}", b"", {"Upload-Complete": "?0"})
    address = str(begun.headers["Location"])
    assert address.startswith(f"/u/{token}/uploads/")
    whole = {"Content-Type": PATCH["Content-Type"], "Upload-Offset": "0", "Upload-Complete": "?1"}
    assert by_ticket(receiver, "PATCH", address, b"abc", whole).status == 201
    assert receiver.service.content("in/one.txt") == b"abc"


def test_giving_up_by_ticket(receiver: ReceiverClient) -> None:
    """DELETE at the address in Location ends the upload and releases its reservation."""
    path = f"/u/{ticket(receiver.service)}/a"
    sent = {"Upload-Complete": "?0", "Upload-Length": "100"}
    address = str(by_ticket(receiver, "PUT", path, b"", sent).headers["Location"])
    assert receiver.service.records.usage("demo").bytes == 100
    assert by_ticket(receiver, "DELETE", address).status == 204
    assert receiver.service.records.usage("demo").bytes == 0
    assert by_ticket(receiver, "HEAD", address).status == 404


@pytest.mark.parametrize(
    ("rules", "status", "slug"),
    [
        ({"max_file_bytes": 4}, 413, "too-large"),
        ({"methods": ["POST"]}, 403, "ticket-refused"),
        ({"allowed_types": ["image/*"]}, 415, "type-not-allowed"),
    ],
    ids=["size", "method", "type"],
)
def test_the_limits_of_a_ticket(
    receiver: ReceiverClient, rules: dict[str, object], status: int, slug: str
) -> None:
    """A ticket's rules apply to resumable uploads, and a refused upload stores nothing."""
    path = f"/u/{ticket(receiver.service, **rules)}/a"
    begun = by_ticket(receiver, "PUT", path, b"", {"Upload-Complete": "?0"})
    answer = begun
    if begun.status == 201:
        fields = {**PATCH, "Upload-Offset": "0", "Upload-Complete": "?1", "Authorization": ""}
        answer = receiver.request("PATCH", str(begun.headers["Location"]), b"hello", fields)
    assert (answer.status, answer.slug) == (status, slug)
    assert receiver.service.content("in/a") is None


def test_tickets_do_not_share_uploads(receiver: ReceiverClient) -> None:
    """A ticket for another prefix or another tenant gives no access to an upload."""
    begun = by_ticket(
        receiver, "PUT", f"/u/{ticket(receiver.service)}/a", b"", {"Upload-Complete": "?0"}
    )
    name = str(begun.headers["Location"]).rpartition("/")[2]
    elsewhere = ticket(receiver.service, prefix="out/")
    assert by_ticket(receiver, "HEAD", f"/u/{elsewhere}/uploads/{name}").status == 403
    other = receiver.service.issuer.token(
        tid="other", scope="files:write", ticket={"bucket": "default", "prefix": ""}
    )
    assert by_ticket(receiver, "HEAD", f"/u/{other}/uploads/{name}").status == 404


def test_a_quota_that_a_retry_fills(receiver: ReceiverClient) -> None:
    """A repeated creation succeeds if its bytes fit into the quota in addition to the file.

    At the end of the request the service discards the repeated bytes.
    """
    receiver.service.records.put_limits("demo", Limits(max_bytes=6))
    once = {"Idempotency-Key": "once"}
    assert [creation(receiver, b"abc", once).status for _ in range(3)] == [201] * 3
    assert receiver.service.records.usage("demo").bytes == 3
