"""Tests that an Idempotency-Key belongs to one request, with its bucket, names, bytes and types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.servers.upload import BOUNDARY, UploadService
from tests.servers.upload_invariants import assert_sound

ONCE = {"Idempotency-Key": "once"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
JSON = {"Content-Type": "application/json"}


def expect_reused(reply: TestResponse) -> None:
    """Check that the response refuses the key of another request."""
    assert reply.json
    assert (reply.status_code, reply.json["type"]) == (422, "/problems/idempotency-key-reused")


def make_bucket(upload: UploadService, name: str) -> None:
    assert upload.request("PUT", f"/v1/buckets/{name}", b"{}", JSON).status_code == 201


@pytest.mark.parametrize("spooled", [False, True])
@pytest.mark.parametrize(
    "other",
    [
        {"key": "b.png"},
        {"bucket": "photos"},
        {"body": PNG[:-1]},
        {"headers": {"Content-Type": "image/jpeg"}},
        {"headers": {}},
    ],
    ids=str,
)
def test_a_put_that_differs(upload: UploadService, other: dict[str, Any], *, spooled: bool) -> None:
    """A changed `PUT` with a used Idempotency-Key stores nothing; an equal `PUT` is replayed."""
    make_bucket(upload, "photos")

    def put(change: dict[str, Any]) -> TestResponse:
        wanted = {"key": "a.png", "body": PNG, "headers": {"Content-Type": "image/png"}, **change}
        wanted["headers"] = {**ONCE, **wanted["headers"]}
        return upload.put(**wanted, spooled=spooled)

    assert put({}).status_code == 201
    expect_reused(put(other))
    assert put({}).headers["Idempotent-Replayed"] == "true"
    assert len(upload.blobs()) == 1
    assert_sound(upload)


def form(
    files: tuple[tuple[str, bytes, str], ...] = (("a.png", PNG, "image/png"), ("b", b"b", "")),
    **fields: str,
) -> bytes:
    """Return a form of files with name, content and type."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, content, kind in files:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n'
        kinds = f"Content-Type: {kind}\r\n" if kind else ""
        parts.append(f"{head}{kinds}\r\n".encode() + content + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


A, B = ("a.png", PNG, "image/png"), ("b", b"b", "")


@pytest.mark.parametrize(
    ("body", "bucket"),
    [
        (form((("c.png", *A[1:]), B)), "default"),
        (form((A, ("b", b"c", ""))), "default"),
        (form((("a.png", PNG, "image/jpeg"), B)), "default"),
        (form((A, ("b", b"b", "text/csv"))), "default"),
        (form((A,)), "default"),
        (form((A, B, ("c", b"c", ""))), "default"),
        (form((B, A)), "default"),
        (form((("b", *A[1:]), ("a.png", *B[1:]))), "default"),
        (form(prefix="in"), "default"),
        (form(on_conflict="replace"), "default"),
        (form(), "photos"),
    ],
    ids=[
        "name",
        "bytes",
        "type",
        "typed",
        "fewer",
        "more",
        "order",
        "swapped",
        "prefix",
        "choice",
        "bucket",
    ],
)
def test_a_form_that_differs(upload: UploadService, body: bytes, bucket: str) -> None:
    """A form with a used Idempotency-Key stores nothing if any part of it has changed.

    The changed part is a file, name, type, field or bucket.
    """
    make_bucket(upload, "photos")
    first = upload.post_form(form(), ONCE)
    assert first.status_code == 201
    expect_reused(upload.post_form(body, ONCE, bucket=bucket))
    again = upload.post_form(form(), ONCE)
    assert (again.headers["Idempotent-Replayed"], again.json) == ("true", first.json)
    assert len(upload.blobs()) == 2
    assert_sound(upload)


@pytest.mark.parametrize(
    "change",
    [
        {"to": {"bucket": "default", "key": "c"}},
        {"to": {"bucket": "photos", "key": "b"}},
        {"from": {"bucket": "default", "key": "other"}},
        {"on_conflict": "rename"},
    ],
    ids=str,
)
def test_a_move_that_differs(upload: UploadService, change: dict[str, Any]) -> None:
    """A move with a used Idempotency-Key and another source, target or choice moves nothing."""
    make_bucket(upload, "photos")
    for key in ("a", "other"):
        upload.put(key, b"x")

    def move(change: dict[str, Any]) -> TestResponse:
        places = {
            name: {"bucket": "default", "key": key} for name, key in (("from", "a"), ("to", "b"))
        }
        body = json.dumps({**places, "move": True, **change}).encode()
        return upload.request("POST", "/v1/copies", body, {**JSON, **ONCE})

    assert move({}).status_code == 201
    expect_reused(move(change))
    assert move({}).headers["Idempotent-Replayed"] == "true"
    assert upload.content("other") == upload.content("b") == b"x"


def test_of_other_ways(upload: UploadService) -> None:
    """An Idempotency-Key that a `PUT` has used cannot be used by a form or a move."""
    upload.put("a", b"x", ONCE)
    expect_reused(upload.post_form(form((("a", b"x", ""),)), ONCE))
    places = {name: {"bucket": "default", "key": "a"} for name in ("from", "to")}
    body = json.dumps({**places, "to": {"bucket": "default", "key": "b"}, "move": True}).encode()
    expect_reused(upload.request("POST", "/v1/copies", body, {**JSON, **ONCE}))
    assert upload.content("a") == b"x"
