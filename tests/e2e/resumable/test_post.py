"""`POST /v1/uploads`: creations with and without a length, with and without first bytes."""

from __future__ import annotations

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.tus_client import TUS, Tus, metadata


def test_a_new_upload_has_an_address(tus: Tus) -> None:
    """A creation gets a 201 with the upload's address, offset 0 and expiry."""
    answer = tus.create(10, filename="a.txt")
    assert answer.status == 201
    assert answer.header("Location").startswith("/v1/uploads/")
    assert answer.header("Tus-Resumable") == "1.0.0"
    assert answer.header("Upload-Offset") == "0"
    assert answer.header("Upload-Expires").endswith("GMT")


def test_first_bytes_with_the_creation(tus: Tus) -> None:
    """A creation with all bytes stores the file immediately."""
    answer = tus.create(5, b"hello", filename="with.txt")
    assert answer.status == 201
    assert answer.header("Upload-Offset") == "5"
    assert tus.api.file("with.txt").body == b"hello"


def test_an_empty_file_needs_no_bytes(tus: Tus) -> None:
    """An upload of length 0 is complete when it is created."""
    assert tus.create(0, filename="empty").status == 201
    assert tus.api.file("empty").body == b""


def test_unicode_names(tus: Tus) -> None:
    """A file name in Chinese is kept unchanged."""
    address = tus.created(1, filename="头像.jpg")
    assert tus.patch(address, 0, b"x").status == 204
    assert tus.api.listed() == ["头像.jpg"]


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Upload-Length": "-1"}, 400, "malformed-request"),
        ({"Upload-Length": "1e3"}, 400, "malformed-request"),
        ({"Upload-Length": "9223372036854775808"}, 400, "malformed-request"),
        ({"Upload-Length": "999999999999999"}, 413, "too-large"),
        ({"Upload-Metadata": "filename !!!"}, 400, "malformed-request"),
        ({"Upload-Metadata": ""}, 422, "unprocessable"),
        ({"Upload-Metadata": metadata(filename="a\x00b")}, 400, "invalid-key"),
        ({"Upload-Metadata": metadata(key="../x")}, 400, "invalid-key"),
        ({"Upload-Metadata": metadata(filename="a", bucket="absent")}, 404, "not-found"),
        ({"Upload-Metadata": metadata(filename="a", bucket="BAD!")}, 422, "unprocessable"),
        ({"Upload-Metadata": metadata(filename="a", on_conflict="x")}, 422, "unprocessable"),
        ({"Tus-Resumable": "0.2.2"}, 412, "tus-version"),
        ({"Upload-Concat": "else"}, 400, "malformed-request"),
    ],
)
def test_what_cannot_be_created(tus: Tus, headers: dict[str, str], status: int, slug: str) -> None:
    """An invalid creation is refused with its reason, and reserves nothing."""
    tus.create(10, headers=headers).problem(status, slug)
    assert tus.api.get("/v1/usage").json()["files"] == 0


def test_a_length_is_needed(tus: Tus) -> None:
    """A creation with neither a length nor a deferred length gets a 400."""
    answer = tus.api.request(
        "POST", "/v1/uploads", b"", {**TUS, "Upload-Metadata": "filename YQ=="}
    )
    answer.problem(400, "inconsistent-upload-length")


def test_a_token_is_needed(tus: Tus) -> None:
    """A creation without a token gets a 401, with and without bytes."""
    anyone = Tus(tus.api.using(None))
    assert anyone.create(5).status == 401
    assert anyone.create(200_000, b"x" * 200_000).status == 401


def test_scope_is_needed(signer: Signer) -> None:
    """A token that may only read cannot create an upload."""
    reader = Tus(signer.client(scope="files:read"))
    reader.create(5).problem(403, "insufficient-scope")


def test_unfinished_uploads_count(tus: Tus) -> None:
    """A creation reserves its length in the quota, and a DELETE of the upload releases it."""
    address = tus.created(1000)
    used = tus.api.get("/v1/usage").json()
    assert (used["bytes"], used["files"]) == (1000, 1)
    assert tus.delete(address).status == 204
    used = tus.api.get("/v1/usage").json()
    assert (used["bytes"], used["files"]) == (0, 0)


def test_nothing_is_overwritten(tus: Tus, api: ApiClient) -> None:
    """Two uploads of one name store two files, unless `on_conflict` asks for a replacement."""
    for content in (b"one", b"two"):
        assert tus.create(3, content, filename="same.txt").status == 201
    assert api.listed() == ["same (2).txt", "same.txt"]
    assert tus.create(5, b"three", filename="same.txt", on_conflict="replace").status == 201
    assert api.file("same.txt").body == b"three"


def test_policy_at_creation(tus: Tus, api: ApiClient) -> None:
    """A creation larger than the bucket's limit is refused before any byte is sent."""
    assert api.send_json("PUT", "/v1/buckets/small", {"max_file_bytes": 100}).status == 201
    found = tus.create(101, bucket="small", filename="a").problem(413, "too-large")
    assert found["limit_bytes"] == 100
