"""Tests that a file in slices keeps every rule of a file in one piece, from its first slice."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from servicekit.problems import ProblemError
from tests.servers.slices import (
    SLICE,
    Sliced,
    assert_one_file,
    document,
    file_of,
    in_folder,
    refused,
)
from tests.servers.upload import UploadService, form_body
from tests.servers.upload_invariants import live
from wharf_upload.domain.tenant_limits import Limits

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def test_too_large(upload: UploadService) -> None:
    """A file that is too large is refused at whichever slice arrives first."""
    upload = upload.restarted(max_file_bytes=2 * SLICE)
    for index in (0, 2):
        assert refused(Sliced(upload).send(index)) == (413, "too-large")
    assert in_folder(upload) == []
    assert upload.records.usage("demo").bytes == 0


def test_the_quota(upload: UploadService) -> None:
    """The first slice reserves the whole file, which counts once and includes its slices."""
    sliced = Sliced(upload)
    upload.records.put_limits("demo", Limits(max_bytes=len(sliced.content), max_files=1))
    sliced.send(0)
    usage = upload.records.usage("demo")
    assert (usage.bytes, usage.files) == (len(sliced.content), 1)
    other = upload.post_form(form_body([("other.bin", b"x")]))
    assert refused(other) == (507, "tenant-quota-exceeded")
    sliced.send(1)
    file_of(sliced.send(2))
    assert_one_file(sliced)


def test_beyond_the_quota(upload: UploadService) -> None:
    """A file that exceeds the quota is refused at its first slice."""
    sliced = Sliced(upload)
    upload.records.put_limits("demo", Limits(max_bytes=len(sliced.content) - 1))
    assert refused(sliced.send(0)) == (507, "tenant-quota-exceeded")
    assert in_folder(upload) == []


def test_a_refused_type(upload: UploadService) -> None:
    """The slice with the beginning of the file shows the type; a refusal covers all slices."""
    policy = b'{"allowed_types": ["image/*"]}'
    upload.request("PUT", "/v1/buckets/photos", policy, {"Content-Type": "application/json"})
    page = b"<!doctype html><html>" + bytes(2 * SLICE)
    sliced = Sliced(upload, page, "photo.png", bucket="photos")
    assert sliced.send(1).status_code == 202
    assert refused(sliced.send(0)) == (415, "type-not-allowed")
    late = sliced.send(2)
    assert refused(late) == (409, "slices-refused")
    assert "text/html" in document(late)["detail"]
    assert upload.records.usage("demo").bytes == 0
    assert live(upload) == {}
    # The first slice starts the file again, and is refused for its type.
    assert refused(sliced.send(0)) == (415, "type-not-allowed")


def test_a_type_that_the_end_tells(upload: UploadService) -> None:
    """A Word document whose picture fills the first slice is recognized by its directory."""
    policy = b'{"allowed_types": ["%b"]}' % WORD.encode()
    upload.request("PUT", "/v1/buckets/letters", policy, {"Content-Type": "application/json"})
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("docProps/thumbnail.jpeg", bytes(2 * SLICE))
        archive.writestr("word/document.xml", "")
    sliced = Sliced(upload, target.getvalue(), "letter.docx", bucket="letters")
    assert file_of(sliced.send_all())["media_type"] == WORD


def test_the_type_is_that_of_the_whole(upload: UploadService) -> None:
    """The type is that of the whole file's bytes, and slices have no types."""
    png = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02")
    sliced = Sliced(upload, png + b"<!doctype html>" + bytes(2 * SLICE), "photo.png")
    found = file_of(sliced.send_all())
    assert (found["media_type"], found["declared_type"]) == ("image/png", None)


def test_uploads_of_forms_are_no_others(upload: UploadService) -> None:
    """An upload whose bytes arrive in forms does not exist for tus."""
    Sliced(upload).send(0)
    (growing,) = in_folder(upload)
    principal = upload.context.access.verifier.verify(upload.issuer.token(tid="demo"))
    assert upload.context.uploads.get("demo", growing) is not None
    with pytest.raises(ProblemError, match="no such upload"):
        upload.context.resumable_uploads.find(principal, growing)


def by_ticket(upload: UploadService, **rules: Any) -> dict[str, str]:
    """Return the header fields of a client with a new ticket."""
    place = {} if "key" in rules else {"prefix": ""}
    ticket = {"bucket": "default", **place, **rules}
    token = upload.issuer.token(tid="demo", scope="files:write", ticket=ticket)
    return {"Authorization": f"Bearer {token}"}


def test_a_ticket_for_one_file(upload: UploadService) -> None:
    """A file in slices counts once for its ticket, and its last response can be fetched again."""
    sliced = Sliced(upload, headers=by_ticket(upload, max_files=1, prefix="in/"))
    stored = file_of(sliced.send_all())
    assert stored["key"] == "in/photo.bin"
    assert file_of(sliced.send(2)) == stored
    assert_one_file(sliced, "in/photo.bin")
    another = upload.post_form(form_body([("other.bin", b"x")]), sliced.headers)
    assert refused(another) == (403, "ticket-used-up")
    assert refused(sliced.send(0, dzuuid="another")) == (403, "ticket-used-up")


def test_a_ticket_for_a_key(upload: UploadService) -> None:
    """With a ticket for a key a file of any name gets that key."""
    sliced = Sliced(upload, headers=by_ticket(upload, key="in/a.bin"))
    assert file_of(sliced.send_all())["key"] == "in/a.bin"


def test_a_ticket_for_small_files(upload: UploadService) -> None:
    """A ticket's size limit applies to the whole file, at its first slice."""
    sliced = Sliced(upload, headers=by_ticket(upload, max_file_bytes=2 * SLICE))
    assert refused(sliced.send(0)) == (413, "too-large")


def test_tickets_do_not_meet(upload: UploadService) -> None:
    """Two tickets of a client, and the client itself, store separate files for one uuid."""
    senders = [
        Sliced(upload, headers=by_ticket(upload, prefix="a/")),
        Sliced(upload, headers=by_ticket(upload, prefix="a/")),
        Sliced(upload, fields={"prefix": "a"}),
    ]
    for index in (0, 1):
        assert [sender.send(index).status_code for sender in senders] == [202, 202, 202]
    keys = [file_of(sender.send(2))["key"] for sender in senders]
    assert keys == ["a/photo.bin", "a/photo (2).bin", "a/photo (3).bin"]
    for sender, key in zip(senders, keys, strict=True):
        assert upload.content(str(key)) == sender.content


def test_by_query(upload: UploadService) -> None:
    """A slice that only the query describes is refused."""
    body = form_body([("blob", b"slice")])
    reply = upload.post_form(body, bucket="default?qqpartindex=0&qqtotalparts=2&qqfilename=a")
    assert refused(reply) == (415, "slices-not-joined")
    assert live(upload) == {}


@pytest.mark.parametrize(
    ("header", "uploader"),
    [
        ({"Content-Range": "bytes 0-4/10"}, "jQuery File Upload"),
        ({"Upload-Length": "10"}, "FilePond"),
    ],
)
def test_by_header(upload: UploadService, header: dict[str, str], uploader: str) -> None:
    """A slice that a header field describes is refused before its body."""
    reply = upload.post_form(form_body([("a.bin", b"slice")]), header)
    assert refused(reply) == (415, "slices-not-joined")
    assert document(reply)["uploader"] == uploader
    assert live(upload) == {}


@pytest.mark.parametrize(
    ("there", "field", "stored"),
    [
        (True, {"If-None-Match": "*"}, False),
        (False, {"If-None-Match": "*"}, True),
        (True, {"If-Match": '"other"'}, False),
        (False, {"If-Match": "*"}, False),
        (True, {"If-Match": "*"}, True),
    ],
)
@pytest.mark.parametrize("by", ["client", "ticket"])
def test_conditions(
    upload: UploadService, *, there: bool, field: dict[str, str], stored: bool, by: str
) -> None:
    """A precondition applies to a file in slices, so that no existing file is lost."""
    if there:
        upload.put("photo.bin", b"precious")
    headers = by_ticket(upload, key="photo.bin") if by == "ticket" else {}
    sliced = Sliced(upload, headers={**headers, **field}, fields={"on_conflict": "replace"})
    if stored:
        assert file_of(sliced.send_all())["key"] == "photo.bin"
        assert_one_file(sliced)
    else:
        for index in range(sliced.count):
            assert refused(sliced.send(index)) == (412, "precondition-failed")
        assert upload.content("photo.bin") == (b"precious" if there else None)
        assert in_folder(upload) == []


def test_a_condition_is_judged_at_the_end(upload: UploadService) -> None:
    """A precondition is checked again at the last slice."""
    sliced = Sliced(upload, headers={"If-None-Match": "*"}, fields={"on_conflict": "replace"})
    assert [sliced.send(index).status_code for index in (0, 1)] == [202, 202]
    upload.put("photo.bin", b"precious")
    assert refused(sliced.send(2)) == (412, "precondition-failed")
    assert upload.content("photo.bin") == b"precious"
    assert all(name.endswith("-refused") for name in in_folder(upload))


def test_an_idempotency_key(upload: UploadService) -> None:
    """A file sent again with one Idempotency-Key is stored once, and another file is refused."""
    sliced = Sliced(upload, headers={"Idempotency-Key": "once"})
    first = sliced.send_all()
    assert "Idempotent-Replayed" not in first.headers
    for index in (0, 1):
        assert sliced.send(index, dzuuid="anew").status_code == 202
    again = sliced.send(2, dzuuid="anew")
    assert (again.headers["Idempotent-Replayed"], again.json) == ("true", first.json)
    assert_one_file(sliced)
    other = Sliced(upload, headers=sliced.headers, fields={"dzuuid": "other"})
    assert refused(other.send_all()) == (422, "idempotency-key-reused")
    assert live(upload).keys() == {"photo.bin"}


@pytest.mark.parametrize("field", [{"If-None-Match": "*"}, {"Idempotency-Key": "once"}])
def test_slices_that_ask_something_else(upload: UploadService, field: dict[str, str]) -> None:
    """A slice with another precondition or Idempotency-Key than the first is a conflict."""
    sliced = Sliced(upload)
    sliced.send(0)
    sliced.headers = field
    assert refused(sliced.send(1)) == (409, "inconsistent-slice")
    sliced.headers = {}
    sliced.send(1)
    file_of(sliced.send(2))
    assert_one_file(sliced)


def test_a_type_that_shows_late(upload: UploadService) -> None:
    """A type that the first bytes do not show is decided later, as for a file in one piece."""
    policy = b'{"allowed_types": ["application/x-iso9660-image"]}'
    upload.request("PUT", "/v1/buckets/discs", policy, {"Content-Type": "application/json"})
    image = bytes(32_768) + b"\x01CD001\x01\0" + bytes(20_000)
    whole = upload.post_form(form_body([("whole.iso", image)]), bucket="discs")
    assert file_of(whole)["media_type"] == "application/x-iso9660-image"
    sliced = Sliced(upload, image, "disc.iso", bucket="discs")
    assert file_of(sliced.send_all())["media_type"] == "application/x-iso9660-image"


def test_a_declared_type(upload: UploadService) -> None:
    """The declared type counts from the first slice, as for the whole file."""
    policy = b'{"allowed_types": ["text/csv"]}'
    upload.request("PUT", "/v1/buckets/tables", policy, {"Content-Type": "application/json"})
    sliced = Sliced(upload, b"a,b\n1,2\n" * 9000, "a.dat", bucket="tables")
    replies = []
    for index in range(sliced.count):
        body = form_body([(sliced.name, sliced.bytes_of(index))], sliced.said(index))
        body = body.replace(b"application/octet-stream", b"text/csv")
        replies.append(upload.post_form(body, bucket="tables"))
    assert file_of(replies[-1])["media_type"] == "text/csv"
