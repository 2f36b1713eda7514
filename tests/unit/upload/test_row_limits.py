"""Tests of the responses at the limits of rows, and of how the files of a form are counted."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from servicekit.problems import RATE_LIMITED
from tests.servers.grants_played import OCTETS, TUS, metadata_of, of_everything
from tests.servers.upload import UploadService, form_body, new_file
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.file_writes import Write
from wharf_upload.http.event_cursors import cursor_of

JSON = {"Content-Type": "application/json"}


def told(reply: TestResponse) -> tuple[int, str]:
    """Return the status and the problem's slug."""
    document = reply.json or {}
    return reply.status_code, str(document.get("type", "")).rpartition("/")[2]


def test_buckets(upload: UploadService) -> None:
    """A bucket above the limit gets 409 with the limit. Existing buckets can still be changed."""
    upload = upload.restarted(tenant_max_buckets=1)
    assert upload.request("PUT", "/v1/buckets/photos").status_code == 201
    refused = upload.request("PUT", "/v1/buckets/videos")
    assert told(refused) == (409, "tenant-limit-reached")
    assert refused.json is not None
    assert (refused.json["limit"], refused.json["limit_count"]) == ("buckets", 1)
    assert upload.request("PUT", "/v1/buckets/photos", b"{}", JSON).status_code == 200


def test_open_uploads(upload: UploadService) -> None:
    """An upload above the limit gets 409 and leaves no file, until another upload has ended."""
    upload = upload.restarted(tenant_max_open_uploads=1)
    caller = of_everything(upload)
    fields = {**TUS, "Upload-Length": "5", **metadata_of(bucket="default", key="a")}
    first = caller.ask("POST", "/v1/uploads", None, fields)
    assert first.status == 201
    refused = caller.ask("POST", "/v1/uploads", None, fields)
    assert (refused.status, refused.slug) == (409, "tenant-limit-reached")
    assert len(list(upload.settings.resumable_folder.glob("*"))) == 1
    assert caller.ask("DELETE", first.headers["Location"], None, TUS).status == 204
    assert caller.ask("POST", "/v1/uploads", None, fields).status == 201


def test_idempotency_keys(upload: UploadService) -> None:
    """A new Idempotency-Key above the limit gets 429 with the wait. A repeated key gets the
    response of its first request.
    """
    upload = upload.restarted(tenant_max_idempotency_keys=1, idempotency_seconds=90)
    assert upload.put("a", b"1", {"Idempotency-Key": "one"}).status_code == 201
    refused = upload.put("b", b"1", {"Idempotency-Key": "two"})
    assert told(refused) == (429, "too-many-idempotency-keys")
    assert refused.json is not None
    assert refused.headers["Retry-After"] == str(refused.json["retry_after"])
    assert 1 <= refused.json["retry_after"] <= 90
    assert upload.content("b") is None
    assert upload.put("a", b"1", {"Idempotency-Key": "one"}).status_code == 201
    assert upload.put("b", b"1").status_code == 201


def test_a_key_too_many_costs_no_upload(upload: UploadService) -> None:
    """An upload whose Idempotency-Key exceeds the limit keeps its bytes until the key fits."""
    upload = upload.restarted(tenant_max_idempotency_keys=1)
    upload.put("a", b"1", {"Idempotency-Key": "one"})
    caller = of_everything(upload)
    fields = {**TUS, "Upload-Length": "5", **metadata_of(bucket="default", key="b")}
    made = caller.ask("POST", "/v1/uploads", None, {**fields, "Idempotency-Key": "two"})
    place = made.headers["Location"]
    bytes_of = {**TUS, "Upload-Offset": "0", "Content-Type": OCTETS}
    refused = caller.ask("PATCH", place, b"12345", bytes_of)
    assert (refused.status, refused.slug) == (429, "too-many-idempotency-keys")
    assert upload.content("b") is None
    upload.records.forget_idempotency(1 << 62)
    again = of_everything(upload.restarted())
    assert again.ask("HEAD", place, None, TUS).headers["Upload-Offset"] == "5"
    assert upload.content("b") == b"12345"


def test_files_of_a_form_are_requests(upload: UploadService) -> None:
    """A form of five files counts as five requests; a form that begins below the limit passes."""
    upload = upload.restarted(tenant_requests_per_minute=8, client_requests_per_minute=8)
    form = form_body([(str(number), b"") for number in range(5)])
    assert upload.post_form(form).status_code == 201
    assert upload.put("a", b"").status_code == 201
    assert upload.post_form(form).status_code == 201  # The last form of this minute.
    assert told(upload.put("a", b"")) == (429, RATE_LIMITED.slug)


def test_a_reader_that_came_too_late_is_told(upload: UploadService) -> None:
    """A reader that continues before a deleted event gets `missed`; a reader from 0 does not."""
    for key in ("a", "b", "c"):
        upload.records.write(Write(files=(new_file(key, created_at=1),)))
    first, second, third = (
        cursor_of("demo", event.seq) for event in upload.records.events("demo", 0, 10)
    )
    upload.records.forget_events(2)
    caller = of_everything(upload)
    missed = {
        after: caller.ask("GET", f"/v1/events?after={after}").json()["missed"]
        for after in ("0", first, second, third)
    }
    assert missed == {"0": False, first: True, second: False, third: False}


def make(upload: UploadService, number: int, policy: Policy) -> None:
    bucket = Bucket(tenant=upload.tenant, name=f"b{number:03}", policy=policy, created_at=1)
    upload.records.put_bucket(bucket)


@pytest.fixture
def many(upload: UploadService) -> UploadService:
    """Return a service with 120 buckets in addition to `default`."""
    for number in range(120):
        make(upload, number, Policy())
    return upload


def test_buckets_have_pages(many: UploadService) -> None:
    """By default a page has a hundred buckets, and its cursor leads to the next buckets."""
    first = many.request("GET", "/v1/buckets").json or {}
    assert len(first["buckets"]) == 100
    rest = many.request("GET", f"/v1/buckets?cursor={first['next_cursor']}").json or {}
    assert rest["next_cursor"] is None
    names = [bucket["name"] for bucket in first["buckets"] + rest["buckets"]]
    assert names == sorted([*(f"b{number:03}" for number in range(120)), "default"])
    assert many.request("GET", "/v1/buckets?limit=1001").status_code == 400


def test_a_page_of_large_policies_is_cut(upload: UploadService) -> None:
    """A page of buckets ends at a megabyte of policies, even below the requested limit."""
    host = f"{'x' * 63}.{'y' * 63}.{'z' * 63}"
    policy = Policy(cors_origins=tuple(f"https://{host}.{n}" for n in range(100)))
    for number in range(60):
        make(upload, number, policy)
    names: list[str] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        page = upload.request("GET", f"/v1/buckets?limit=1000&cursor={cursor}")
        assert len(page.data) < 1_200_000
        names += [bucket["name"] for bucket in (page.json or {})["buckets"]]
        cursor, pages = (page.json or {})["next_cursor"], pages + 1
    assert names == [*(f"b{number:03}" for number in range(60)), "default"]
    assert pages == 2
