"""Buckets and their policies: size limits, types by the bytes, names, and deletion.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest

from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.raw_http import exchange, head
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.traces import nothing_stored

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"
HTML = b"<!DOCTYPE html><html><body onload=alert(1)></body></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
PADDING = [pytest.param(b"", id="in-memory"), pytest.param(b" " * 120_000, id="spooled")]


def make(api: ApiClient, name: str = "bucket", **policy: Any) -> None:
    """Make a new bucket."""
    assert api.send_json("PUT", f"/v1/buckets/{name}", policy).status == 201


def test_a_bucket_is_made_and_changed(api: ApiClient) -> None:
    """The first PUT makes a bucket (201), a second PUT replaces its policy (200).

    GET returns the policy.
    """
    policy = {"max_file_bytes": 5_000_000, "allowed_types": ["image/*"]}
    made = api.send_json("PUT", "/v1/buckets/photos", policy)
    assert made.status == 201
    assert policy.items() <= made.json().items()
    changed = api.send_json("PUT", "/v1/buckets/photos", {"max_file_bytes": 10})
    assert changed.status == 200
    assert changed.json() == {**made.json(), "max_file_bytes": 10, "allowed_types": []}
    assert api.get("/v1/buckets/photos").json() == changed.json()
    names = [bucket["name"] for bucket in api.get("/v1/buckets").json()["buckets"]]
    assert names == ["default", "photos"]


def test_a_bucket_without_a_body(api: ApiClient) -> None:
    """A PUT without a body makes a bucket without rules."""
    assert api.request("PUT", "/v1/buckets/plain", b"").status == 201
    assert api.get("/v1/buckets/plain").json()["allowed_types"] == []


def test_the_default_bucket_is_always_there(api: ApiClient) -> None:
    """Every tenant has a bucket `default` with a changeable policy, and at first no other."""
    assert api.get("/v1/buckets/default").status == 200
    assert api.send_json("PUT", "/v1/buckets/default", {"max_file_bytes": 5}).status in (200, 201)
    api.put("key", b"123456").problem(413, "too-large")
    for content in (SMALL, LARGE):
        api.put("key", content, bucket="absent").problem(404, "not-found")
    api.post(file_part("x"), bucket="absent").problem(404, "not-found")


@pytest.mark.parametrize(
    "name", ["ab", "UPPER", "-ab", "ab-", "a_b", "a.b", "x" * 64, "ünï", "a%2Fb"]
)
def test_bucket_names_that_are_none(wharf: Wharf, api: ApiClient, name: str) -> None:
    """A name that breaks the naming rule makes no bucket; an upload to this bucket gets a 404."""
    with nothing_stored(wharf, api.tenant):
        target = quote(name, safe="%")
        assert api.send_json("PUT", f"/v1/buckets/{target}", {}).status in (400, 404)
        for content in (SMALL, LARGE):
            assert api.put("key", content, bucket=target).status == 404


@pytest.mark.parametrize(
    "policy",
    [
        {"max_file_bytes": 0},
        {"max_file_bytes": -1},
        {"max_file_bytes": "1"},
        {"max_file_bytes": 1 << 60},
        {"max_file_bytes": 1.5},
        {"allowed_types": ["image"]},
        {"allowed_extensions": ["p/ng"]},
        {"allowed_extensions": "png"},
        {"expire_after_seconds": 0},
        {"cors_origins": ["null"]},
        {"cors_origins": ["https://app.example/path"]},
        {"public": "yes"},
        {"allowed_types": ["*/png"]},
        {"allowed_types": "image/*"},
        {"allowed_types": ["image/png; q=1"]},
        {"unknown": True},
    ],
)
def test_policies_that_are_none(wharf: Wharf, api: ApiClient, policy: dict[str, Any]) -> None:
    """A policy with an invalid value gets a 422 and makes no bucket."""
    with nothing_stored(wharf, api.tenant):
        api.send_json("PUT", "/v1/buckets/bucket", policy).problem(422, "unprocessable")
    api.get("/v1/buckets/bucket").problem(404, "not-found")


@pytest.mark.parametrize("limit", [10, 100_000])
def test_the_largest_file(wharf: Wharf, api: ApiClient, limit: int) -> None:
    """A file of exactly the limit is stored; one more byte gets a 413 that states the limit."""
    make(api, max_file_bytes=limit)
    api.stored("fits", b"x" * limit, bucket="bucket")
    assert api.post(file_part("fits too", b"x" * limit), bucket="bucket").status == 201
    over = b"x" * (limit + 1)
    with nothing_stored(wharf, api.tenant):
        answers = (
            api.put("over", over, bucket="bucket"),
            api.put("over", iter([over]), bucket="bucket"),
            api.post(file_part("fits", b""), file_part("over", over), bucket="bucket"),
        )
        for answer in answers:
            document = answer.problem(413, "too-large")
            assert (document["limit_bytes"], document["limit"]) == (limit, "bucket's file limit")


@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.parametrize(
    ("content", "media_type"), [(HTML, "text/html"), (SVG, "image/svg+xml"), (SMALL, "text/plain")]
)
def test_types_go_by_the_bytes(
    wharf: Wharf, api: ApiClient, content: bytes, media_type: str, padding: bytes
) -> None:
    """Rows 29, 30: HTML, SVG and text called photo.jpg get a 415 that states their real type."""
    make(api, allowed_types=["image/jpeg", "image/png"])
    body = content + padding
    called = {"Content-Type": "image/jpeg"}
    with nothing_stored(wharf, api.tenant):
        part = file_part("photo.jpg", body)
        answers = (
            api.put("photo.jpg", body, called, "bucket"),
            api.put("photo.jpg", iter([body]), called, "bucket"),
            api.post(file_part("good.png", PNG), part, bucket="bucket"),
        )
        for answer in answers:
            document = answer.problem(415, "type-not-allowed")
            assert document["media_type"] == media_type
            assert document["allowed_types"] == ["image/jpeg", "image/png"]
    assert api.put("real.jpg", JPEG + padding, bucket="bucket").json()["media_type"] == "image/jpeg"


def test_wildcards(api: ApiClient) -> None:
    """`image/*` allows every file whose bytes are an image, under any name, and no other file."""
    make(api, allowed_types=["image/*"])
    for content in (PNG, JPEG):
        called = {"Content-Type": "text/html"}
        assert api.put("x", content, called, "bucket").status == 201
    api.put("x.png", b"%PDF-1.7\n", bucket="bucket").problem(415, "type-not-allowed")


def test_an_empty_file_goes_by_its_name(api: ApiClient) -> None:
    """Row 12: in a bucket with limited types an empty file's extension counts; it has no type."""
    make(api, allowed_types=["image/*"])
    stored = api.put("x.png", b"", bucket="bucket")
    assert (stored.status, stored.json()["media_type"]) == (201, "application/octet-stream")
    assert api.post(file_part("y.png", b""), bucket="bucket").status == 201
    for name in ("x.txt", "x.html", "x"):
        api.put(name, b"", bucket="bucket").problem(415, "type-not-allowed")
        api.post(file_part(name, b""), bucket="bucket").problem(415, "type-not-allowed")


def test_no_word_of_a_client_evades_a_policy(wharf: Wharf, api: ApiClient) -> None:
    """Row 30: a declared type never makes an archive pass as a picture, or a script as a table."""
    make(api, allowed_types=["image/*", "text/csv"])
    archive = b"PK\5\6" + bytes(18)
    with nothing_stored(wharf, api.tenant):
        for name, body, declared in (
            ("a.zip", archive, "image/openraster"),
            ("shell.php", b"<?php ?>", "image/x-xpixmap"),
            ("shell.php", b"<?php ?>", "text/csv"),
        ):
            fields = {"Content-Type": declared}
            api.put(name, body, fields, bucket="bucket").problem(415, "type-not-allowed")
    table = api.put("a.csv", b"a,b\n", {"Content-Type": "text/csv"}, bucket="bucket")
    assert table.json()["media_type"] == "text/csv"


def test_the_longest_policy_is_told(wharf: Wharf, api: ApiClient) -> None:
    """A refusal lists all allowed extensions, even a hundred extensions of the greatest length."""
    longest = [".".join([f"{number:032}"] * 4) for number in range(100)]
    make(api, allowed_extensions=longest)
    for content in (SMALL, LARGE):
        for name in ("x.jpg", "%e6%97%a5" * 80):
            refused = api.put(name, content, bucket="bucket")
            document = refused.problem(415, "extension-not-allowed")
            assert document["allowed_extensions"] == longest
            assert len(document["detail"]) < 500


def test_extensions_go_by_the_name_and_agree_with_the_bytes(wharf: Wharf, api: ApiClient) -> None:
    """Row 30: the name needs an allowed extension, in any case, and the bytes must match it."""
    make(api, allowed_extensions=[".JPG", "png"])
    assert api.get("/v1/buckets/bucket").json()["allowed_extensions"] == ["jpg", "png"]
    padding = b" " * 120_000
    assert api.put("a/photo.JPG", JPEG, bucket="bucket").status == 201
    with nothing_stored(wharf, api.tenant):
        for body in (JPEG, JPEG + padding):
            for name in ("photo.gif", "photo", ".jpg", "jpg", "photo.jpg.exe"):
                document = api.put(name, body, bucket="bucket").problem(
                    415, "extension-not-allowed"
                )
                assert document["allowed_extensions"] == ["jpg", "png"]
                api.post(file_part(name, body), bucket="bucket").problem(
                    415, "extension-not-allowed"
                )
        for body in (HTML, HTML + padding):
            document = api.put("photo.jpg", body, bucket="bucket").problem(415, "type-not-allowed")
            assert document["media_type"] == "text/html"
            assert "The bytes are text/html" in document["detail"]


def test_a_wrong_name_is_refused_before_the_body(wharf: Wharf, api: ApiClient) -> None:
    """A large upload with a forbidden name is refused before the client sends its body."""
    make(api, allowed_extensions=["png"])
    request = head(
        "PUT /v1/files/bucket/setup.exe HTTP/1.1",
        f"Authorization: Bearer {api.token}",
        "Content-Length: 1000000",
        "Connection: close",
    )
    with nothing_stored(wharf, api.tenant):
        (answer,) = exchange(wharf.port, request)
        assert (answer.status, answer.slug) == (415, "extension-not-allowed")


def test_a_stored_file_cannot_be_renamed_out_of_the_policy(api: ApiClient) -> None:
    """A stored file cannot get a key or file name that its bucket refuses for uploads."""
    make(api, allowed_extensions=["jpg", "html"])
    api.stored("photo.jpg", JPEG, bucket="bucket")
    address = "/v1/metadata/bucket/photo.jpg"
    for change in ({"key": "photo.exe"}, {"filename": "photo.exe"}):
        api.send_json("PATCH", address, change).problem(415, "extension-not-allowed")
    for change in ({"key": "photo.html"}, {"filename": "photo.html"}):
        api.send_json("PATCH", address, change).problem(415, "type-not-allowed")
    assert api.send_json("PATCH", address, {"key": "other.jpg"}).status == 200


def test_files_of_a_bucket_expire(api: ApiClient) -> None:
    """A file gets its bucket's expiry when it is stored, and a PATCH can remove the expiry."""
    make(api, expire_after_seconds=3600)
    for content in (SMALL, LARGE):
        file = api.stored("key", content, bucket="bucket")
        created, expires = (
            datetime.fromisoformat(file[name]) for name in ("created_at", "expires_at")
        )
        assert (expires - created).total_seconds() == 3600
    form = api.post(file_part("part"), bucket="bucket").json()["files"][0]
    assert form["expires_at"] is not None
    changed = api.send_json("PATCH", "/v1/metadata/bucket/key", {"expires_at": None})
    assert changed.json()["expires_at"] is None


def test_only_empty_buckets_go(api: ApiClient) -> None:
    """Only an empty bucket can be deleted, and an upload to a deleted bucket gets a 404."""
    make(api)
    api.stored("key", bucket="bucket")
    api.request("DELETE", "/v1/buckets/bucket").problem(409, "bucket-not-empty")
    api.delete("key", bucket="bucket")
    assert api.request("DELETE", "/v1/buckets/bucket").status == 204
    api.request("DELETE", "/v1/buckets/bucket").problem(404, "not-found")
    for content in (SMALL, LARGE):
        api.put("key", content, bucket="bucket").problem(404, "not-found")


def test_policies_need_their_scope(api: ApiClient, signer: Signer) -> None:
    """A client that has only file scopes can neither make, change nor delete a bucket."""
    make(api)
    writer = signer.client(tid=api.tenant, scope="files:read files:write files:delete")
    for method, target in (("PUT", "fresh"), ("PUT", "bucket"), ("DELETE", "bucket")):
        answer = writer.send_json(method, f"/v1/buckets/{target}", {})
        assert answer.problem(403, "insufficient-scope")["required_scope"] == "buckets:admin"
    assert writer.get("/v1/buckets/bucket").status == 200
