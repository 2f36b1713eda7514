"""Resumable uploads of callers with grants for a part of a tenant. Each
request is checked again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from servicekit.problems import NOT_FOUND, ProblemError
from tests.servers.feed import FakeFeed
from tests.servers.granted import SCOPES, SUBJECT, bearer, change, principal
from tests.servers.receiver import OCTETS, Answer, ReceiverClient, answer_of, receiving
from tests.servers.upload import UploadService, faults_in_counts
from tests.servers.upload_invariants import assert_sound
from tests.servers.wharf.raw_http import until
from wharf_upload.domain.refusals import OutsideGrants

INBOX = "write:default/in/"
IETF = {"Tus-Resumable": "", "Upload-Complete": "?0"}
GONE = (404, "not-found")
OUTSIDE = (403, "outside-grants")


@pytest.fixture
def receiver(upload: UploadService) -> Iterator[ReceiverClient]:
    """Yield a stream server for a client that may only write to an inbox."""
    with receiving(upload) as found:
        found.credential = bearer(upload, INBOX)
        yield found


def said(answer: Answer) -> tuple[int, str]:
    """Return the status and the slug of the problem."""
    return answer.status, answer.slug


def named(key: str) -> dict[str, str]:
    """Return `Upload-Metadata` with a key in the bucket `default`."""
    return {"Upload-Metadata": f"key {base64.b64encode(key.encode()).decode()}"}


def create(receiver: ReceiverClient, length: int, key: str, **headers: str) -> str:
    """Create an upload and return its address."""
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    return receiver.create(length, {**named(key), **sent})


def concatenated(receiver: ReceiverClient, key: str, parts: list[str]) -> Answer:
    """Create a final upload and return the response."""
    concat = {"Upload-Concat": f"final;{' '.join(parts)}", **named(key)}
    return receiver.request("POST", "/v1/uploads", b"", concat)


def under_way(service: UploadService, *granted: str, scopes: str = SCOPES) -> list[str]:
    """Return the sorted keys of the uploads that another client with these grants can list."""
    who = bearer(service, *granted, sub="client-3", scopes=f"{scopes} events:read")
    reply = service.request("GET", "/v1/uploads", headers=who)
    assert reply.status_code == 200
    assert reply.json
    return sorted(found["key"] for found in reply.json["uploads"])


def test_creations_outside(receiver: ReceiverClient) -> None:
    """An upload can be created only below the granted prefix, in both protocols, and
    a refused one leaves nothing.
    """
    assert said(receiver.creation(3, named("out/a"))) == OUTSIDE
    begun = receiver.request("PUT", "/v1/files/default/out/a", b"", IETF)
    assert said(begun) == OUTSIDE
    elsewhere = {"Upload-Metadata": f"{named('in/a')['Upload-Metadata']},bucket b3RoZXI="}
    assert said(receiver.creation(3, elsewhere)) == GONE
    assert list(receiver.service.settings.resumable_folder.iterdir()) == []
    address = create(receiver, 3, "in/a")
    assert receiver.patch(address, 0, b"abc").status == 204
    begun = receiver.request("PUT", "/v1/files/default/in/b", b"abc", IETF)
    assert begun.status == 201
    last = {"Content-Type": "application/partial-upload", "Upload-Complete": "?1"}
    ended = receiver.patch(str(begun.headers["Location"]), 3, b"d", {"Tus-Resumable": "", **last})
    assert ended.status == 201
    assert receiver.service.content("in/a") == b"abc"
    assert receiver.service.content("in/b") == b"abcd"
    assert faults_in_counts(receiver.service.database) == []


def test_refused_before_the_body(receiver: ReceiverClient) -> None:
    """The admission refuses bytes for an upload that is outside the caller's grants, and the
    creation of one.
    """
    address = create(receiver, 3, "in/a")
    service = receiver.service
    change(service, FakeFeed(), "write:default/out/")
    step = {"WHARF_STEP": "admit", "CONTENT_LENGTH": "3"}
    headers = {"Tus-Resumable": "1.0.0", **receiver.credential}
    reply = service.request("PATCH", address, b"", headers, step)
    assert reply.headers["X-Denied-Status"] == "404"
    reply = service.request(
        "PUT",
        "/v1/files/default/in/b",
        b"",
        {"Upload-Complete": "?0", **receiver.credential},
        {**step, "WHARF_PART": "1"},
    )
    assert msgspec.json.decode(reply.headers["X-Denied-Problem"])["key"] == "in/b"


def test_grants_that_change_under_way(receiver: ReceiverClient) -> None:
    """An upload does not exist for its client while its key is outside the grants,
    and can continue afterwards.
    """
    service, feed = receiver.service, FakeFeed()
    address = create(receiver, 6, "in/a")
    assert receiver.patch(address, 0, b"abc").status == 204
    change(service, feed, "write:default/out/")
    for answer in (
        receiver.head(address),
        receiver.patch(address, 3, b"def"),
        receiver.request("DELETE", address),
    ):
        assert answer.status == 404
    own = service.request("GET", "/v1/uploads", headers=receiver.credential)
    assert own.json == {"uploads": [], "next_cursor": None}
    change(service, feed, INBOX)
    own = service.request("GET", "/v1/uploads", headers=receiver.credential)
    assert own.json
    assert [found["offset"] for found in own.json["uploads"]] == [3]
    assert receiver.patch(address, 3, b"def").status == 204
    assert service.content("in/a") == b"abcdef"


@pytest.mark.parametrize(
    ("scopes", "expected"), [(SCOPES, GONE), ("files:read", (403, "insufficient-scope"))]
)
def test_grants_that_change_while_the_last_bytes_come(
    receiver: ReceiverClient, scopes: str, expected: tuple[int, str]
) -> None:
    """The reach at the arrival of the last bytes decides, and the bytes are kept."""
    service, feed = receiver.service, FakeFeed()
    address = create(receiver, 6, "in/a")
    slow = receiver.begin(address, 0, 6)
    slow.sendall(b"abc")
    granted = INBOX if scopes != SCOPES else "write:default/out/"
    change(service, feed, granted, scopes=scopes)
    assert said(answer_of(slow, b"def")) == expected
    assert service.content("in/a") is None
    change(service, feed, INBOX)
    assert receiver.offset(address) == 6
    assert service.content("in/a") == b"abcdef"
    assert_sound(service)


def test_a_creation_whose_bytes_come_too_late(receiver: ReceiverClient) -> None:
    """If the grants no longer contain the key at the end of a creating request,
    its upload is removed.

    No other request knows of this upload.
    """
    service = receiver.service
    fields = {**named("in/a"), "Upload-Length": "3", "Content-Type": OCTETS}
    slow = receiver.open("POST", "/v1/uploads", 3, fields)
    slow.sendall(b"a")
    assert until(lambda: any(service.settings.resumable_folder.iterdir()))
    change(service, FakeFeed(), "write:default/out/")
    assert said(answer_of(slow, b"bc")) == GONE
    assert service.records.usage("demo").files == 0
    assert list(service.settings.resumable_folder.iterdir()) == []


def test_parts(receiver: ReceiverClient) -> None:
    """For a part without a key the client must have permission to write somewhere.

    The key of a part and the key of the final upload are each checked.
    """
    parts = [create(receiver, 3, name, Upload_Concat="partial") for name in ("", "in/part")]
    for part, body in zip(parts, (b"abc", b"def"), strict=True):
        assert receiver.patch(part, 0, body).status == 204
    assert said(concatenated(receiver, "out/a", parts)) == OUTSIDE
    partial = {"Upload-Concat": "partial"}
    assert said(receiver.creation(3, {**named("out/part"), **partial})) == OUTSIDE
    assert concatenated(receiver, "in/a", parts).status == 201
    assert receiver.service.content("in/a") == b"abcdef"
    receiver.credential = bearer(receiver.service, "read:default")
    partial["Upload-Metadata"] = ""
    assert said(receiver.creation(3, partial)) == OUTSIDE
    receiver.credential = bearer(receiver.service, "write:photos")
    assert said(receiver.creation(3, partial)) == GONE


def test_a_final_upload_that_is_out_of_reach(receiver: ReceiverClient) -> None:
    """The last part is received, and the final upload waits until its key is within reach again."""
    service, feed = receiver.service, FakeFeed()
    part = create(receiver, 3, "", Upload_Concat="partial")
    final = str(concatenated(receiver, "in/a", [part]).headers["Location"])
    change(service, feed, "write:default/out/")
    assert receiver.patch(part, 0, b"abc").status == 204
    assert receiver.head(final).status == 404
    assert service.content("in/a") is None
    change(service, feed, INBOX)
    assert receiver.head(final).status == 200
    assert service.content("in/a") == b"abc"


def test_a_chosen_key_stays_inside(receiver: ReceiverClient) -> None:
    """A taken key is renamed within the grants, and refused when the new name is outside them."""
    service = receiver.service
    service.put("in/a.txt", b"there")
    rename = {"Upload-Metadata": f"{named('in/a.txt')['Upload-Metadata']},on_conflict cmVuYW1l"}
    address = receiver.create(3, rename)
    ended = receiver.patch(address, 0, b"abc")
    assert ended.headers["Content-Location"] == "/v1/files/default/in/a%20(2).txt"
    receiver.credential = bearer(service, "write:default/in/a.txt")
    # The response uses the key of the file, not the requested key.
    assert receiver.head(address).status == 404
    address = receiver.create(3, rename)
    assert said(receiver.patch(address, 0, b"abc")) == (409, "key-taken")


def test_the_last_guard(receiver: ReceiverClient) -> None:
    """The completer makes no file for a caller that does not reach the upload's key."""
    service = receiver.service
    uploads = service.context.resumable_uploads
    identifier = create(receiver, 3, "in/a").rpartition("/")[2]
    upload = uploads.find(principal(INBOX), identifier)
    with closing(uploads._held.open(identifier)) as part, pytest.raises(OutsideGrants):
        uploads.appender._completer.complete(principal("write:default/out/"), upload, part)
    assert service.blobs() == set()


def test_uploads_of_others(receiver: ReceiverClient) -> None:
    """A client that may read events lists the uploads whose keys it may read, and
    ends those that it may delete.
    """
    service = receiver.service
    receiver.credential = bearer(service, "write:default")
    address = create(receiver, 3, "in/a")
    create(receiver, 3, "out/a")
    create(receiver, 3, "in/part", Upload_Concat="partial")
    assert under_way(service, "read:default/in/") == ["in/a", "in/part"]
    assert under_way(service, "read:default") == ["in/a", "in/part", "out/a"]
    assert under_way(service, "write,list,delete:default") == []
    terminator, identifier = service.context.resumable_uploads.terminator, address.split("/")[-1]
    with pytest.raises(ProblemError) as refused:
        terminator.terminate(
            principal("read:default/out/", subject="client-3"), identifier, SUBJECT
        )
    assert refused.value.problem is NOT_FOUND
    with pytest.raises(OutsideGrants):
        terminator.terminate(principal("read:default/in/", subject="client-3"), identifier, SUBJECT)
    who = principal("read,delete:default/in/", subject="client-3")
    terminator.terminate(who, identifier, SUBJECT)
    assert under_way(service, "read:default/in/") == ["in/part"]
