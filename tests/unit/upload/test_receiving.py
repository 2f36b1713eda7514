"""Tests of the way from spooled or sent bytes to a visible file."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import Any

import pytest
from werkzeug.test import TestResponse

from servicekit.database import DatabaseUnavailable, OutcomeUnknown
from tests.servers.upload import UploadService
from tests.servers.upload_invariants import assert_nothing_else, assert_sound
from wharf_upload.domain.file_writes import Write
from wharf_upload.storage.base import StoreError

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0" * 100
WAYS = pytest.mark.parametrize("spooled", [False, True])


def digest_field(algorithm: str, body: bytes) -> str:
    raw = hashlib.new(algorithm.replace("-", ""), body).digest()
    return f"{algorithm}=:{base64.b64encode(raw).decode()}:"


def slug(reply: TestResponse) -> str:
    assert reply.json
    found: str = reply.json["type"]
    return found.removeprefix("/problems/")


def nothing_is_left(upload: UploadService) -> bool:
    spool = os.listdir(upload.settings.spool_folder)
    return not (upload.blobs() or list(upload.store.leftovers()) or spool)


@WAYS
@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 300_000])
def test_any_size(upload: UploadService, *, spooled: bool, size: int) -> None:
    """A file of any size, an empty one included, is stored with its bytes, size and digest."""
    body = os.urandom(size)
    reply = upload.put("a.bin", body, spooled=spooled)
    assert reply.status_code == 201
    assert reply.json
    assert reply.json["size"] == size
    assert reply.json["sha256"] == hashlib.sha256(body).hexdigest()
    assert upload.content("a.bin") == body


@WAYS
@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_digests(upload: UploadService, *, spooled: bool, field: str, algorithm: str) -> None:
    """A file with a right digest is stored; with a wrong one it is refused and leaves nothing."""
    right = {field: digest_field(algorithm, PNG)}
    wrong = {field: digest_field(algorithm, b"another")}
    reply = upload.put("wrong.png", PNG, wrong, spooled=spooled)
    assert (reply.status_code, slug(reply)) == (400, "digest-mismatch")
    assert nothing_is_left(upload)
    assert upload.put("right.png", PNG, right, spooled=spooled).status_code == 201


@WAYS
def test_type_is_the_bytes(upload: UploadService, *, spooled: bool) -> None:
    """A bucket for images takes the bytes of an image, and refuses other bytes declared as one."""
    json_type = {"Content-Type": "application/json"}
    policy = b'{"allowed_types": ["image/*"]}'
    upload.request("PUT", "/v1/buckets/photos", policy, json_type)
    image = {"Content-Type": "image/png"}
    reply = upload.put("a.png", b"MZ" + b"\0" * 200, image, bucket="photos", spooled=spooled)
    assert (reply.status_code, slug(reply)) == (415, "type-not-allowed")
    assert nothing_is_left(upload)
    assert upload.put("a.png", PNG, bucket="photos", spooled=spooled).status_code == 201


TEXTS = [
    (b"hello", "text/plain; charset=utf-8"),
    ("Größe".encode(), "text/plain; charset=utf-8"),
    ("BMW;Größe".encode("cp1252"), "text/plain"),
    ("名前".encode("shift_jis"), "text/plain"),
    ("名前".encode("iso2022_jp"), "text/plain"),
    ("Größe".encode("utf-16"), "text/plain"),
    (b"x" * 300_000 + "Größe".encode(), "text/plain; charset=utf-8"),
    (b"x" * 300_000 + "Größe".encode("cp1252"), "text/plain"),
    ("ä".encode() * 600_000, "text/plain; charset=utf-8"),
    ("ä".encode() * 600_000 + b"\xc3", "text/plain"),
]


@WAYS
def test_a_charset_only_where_it_is_known(upload: UploadService, *, spooled: bool) -> None:
    """Text is served as UTF-8 only if all of its bytes are UTF-8."""
    for number, (body, field) in enumerate(TEXTS):
        reply = upload.put(f"{number}.txt", body, spooled=spooled)
        assert reply.status_code == 201, number
        assert reply.json, number
        assert reply.json["media_type"] == "text/plain", number
        reply = upload.request("GET", f"/v1/files/default/{number}.txt")
        assert reply.headers["Content-Type"] == field, number


@WAYS
def test_a_bucket_for_a_kind_of_text(upload: UploadService, *, spooled: bool) -> None:
    """A bucket for CSV takes CSV by name or declared type, and empty files by their names."""
    json_type = {"Content-Type": "application/json"}
    upload.request("PUT", "/v1/buckets/tables", b'{"allowed_types": ["text/csv"]}', json_type)

    def put(name: str, body: bytes, declared: str) -> tuple[int, str | None]:
        headers = {"Content-Type": declared}
        reply = upload.put(name, body, headers, bucket="tables", spooled=spooled)
        assert reply.json
        return reply.status_code, reply.json.get("media_type")

    assert put("a.csv", b"a,b\n", "text/csv") == (201, "text/csv")
    assert put("b.csv", b"a,b\n", "application/vnd.ms-excel") == (201, "text/csv")
    assert put("c.csv", b"", "text/csv") == (201, "application/octet-stream")
    assert put("d.txt", b"", "text/csv")[0] == 415
    assert put("e.txt", b"a,b\n", "text/plain")[0] == 415
    assert put("f.csv", PNG, "text/csv")[0] == 415
    reply = upload.request("PUT", "/v1/buckets/no", b'{"allowed_types": ["text/css"]}', json_type)
    assert reply.status_code == 422


def test_size_of_a_body_without_length(upload: UploadService) -> None:
    """A body without a length is measured, and refused if it is too large."""
    upload = upload.restarted(max_file_bytes=1000)
    admission = upload.request("PUT", "/v1/files/default/a", environ={"WHARF_STEP": "admit"})
    spooled = upload.settings.spool_folder / "1"
    spooled.write_bytes(b"x" * 1001)
    environ = {"SPOOL_FILE": str(spooled), "ADMISSION": admission.headers["X-Admission"]}
    reply = upload.request("PUT", "/v1/files/default/a", environ=environ)
    spooled.unlink()
    assert (reply.status_code, slug(reply)) == (413, "too-large")
    assert nothing_is_left(upload)


def test_spool_file_that_is_gone(upload: UploadService) -> None:
    """If the client has disconnected and nginx has removed the body, nothing is stored."""
    admission = upload.request("PUT", "/v1/files/default/a", environ={"WHARF_STEP": "admit"})
    gone = str(upload.settings.spool_folder / "gone")
    environ = {"SPOOL_FILE": gone, "ADMISSION": admission.headers["X-Admission"]}
    reply = upload.request("PUT", "/v1/files/default/a", environ=environ)
    assert (reply.status_code, slug(reply)) == (500, "storage-failed")
    assert nothing_is_left(upload)


@WAYS
@pytest.mark.parametrize(
    ("error", "status"),
    [(DatabaseUnavailable("away"), 503), (StoreError("fsync"), 500), (ValueError("bug"), 500)],
)
def test_row_that_is_refused(
    upload: UploadService,
    monkeypatch: pytest.MonkeyPatch,
    *,
    spooled: bool,
    error: Exception,
    status: int,
) -> None:
    """If the row cannot be written, the bytes are removed immediately."""
    monkeypatch.setattr(upload.records, "write", raising(error))
    assert upload.put("a.txt", b"hello", spooled=spooled).status_code == status
    assert nothing_is_left(upload)


@WAYS
def test_unknown_outcome(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch, *, spooled: bool
) -> None:
    """If the outcome of the commit is unknown, the bytes stay.

    If no row names the bytes, the sweeper removes them later.
    """
    monkeypatch.setattr(upload.records, "write", raising(OutcomeUnknown("commit")))
    reply = upload.put("a.txt", b"hello", spooled=spooled)
    assert reply.status_code == 503
    assert reply.headers["Retry-After"]
    assert len(upload.blobs()) == 1
    monkeypatch.undo()
    assert_nothing_else(upload)


def raising(error: Exception) -> Any:
    def write(_: Write) -> None:
        raise error

    return write


@WAYS
def test_idempotency(upload: UploadService, *, spooled: bool) -> None:
    """A repeated request is replayed and keeps one blob; with other bytes it is refused."""
    key = {"Idempotency-Key": "once"}
    first = upload.put("a.txt", b"hello", key, spooled=spooled)
    again = upload.put("a.txt", b"hello", key, spooled=spooled)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == first.json
    assert len(upload.blobs()) == 1
    for other in (
        upload.put("a.txt", b"other", key, spooled=spooled),
        upload.put("b.txt", b"hello", key, spooled=spooled),
    ):
        assert (other.status_code, slug(other)) == (422, "idempotency-key-reused")
    assert len(upload.blobs()) == 1
    assert_sound(upload)


@WAYS
def test_condition_that_changed_meanwhile(upload: UploadService, *, spooled: bool) -> None:
    """A precondition is checked again at the commit: if two clients create a file, one gets 412."""
    only_new = {"If-None-Match": "*"}
    if spooled:
        admission = upload.request(
            "PUT", "/v1/files/default/a.txt", headers=only_new, environ={"WHARF_STEP": "admit"}
        )
        upload.put("a.txt", b"faster")
        path = upload.settings.spool_folder / "1"
        path.write_bytes(b"slower")
        environ = {"SPOOL_FILE": str(path), "ADMISSION": admission.headers["X-Admission"]}
        reply = upload.request("PUT", "/v1/files/default/a.txt", headers=only_new, environ=environ)
        path.unlink()
    else:
        upload.put("a.txt", b"faster")
        reply = upload.put("a.txt", b"slower", only_new)
    assert (reply.status_code, slug(reply)) == (412, "precondition-failed")
    assert upload.content("a.txt") == b"faster"
    assert len(upload.blobs()) == 1
