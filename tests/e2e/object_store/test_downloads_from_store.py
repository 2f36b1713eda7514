"""Downloads of files on an object store, which behave like downloads from a disk.

The tests that this module imports from tests/e2e run here on the Wharf of this folder.
"""

from __future__ import annotations

import re
import urllib.request

import pytest

from tests.e2e.test_downloads import (
    BYTES,
    INTERNAL,
    check_security_fields,
    comparable,
    test_a_deleted_file_is_gone,
    test_a_range,
    test_a_range_past_the_end,
    test_download_names_inject_nothing,
    test_head_says_what_get_would,
    test_if_match_on_a_download,
    test_if_range,
    test_if_range_with_a_condition,
    test_many_ranges,
    test_names_in_the_disposition,
    test_not_modified,
    test_only_inert_types_are_shown,
    test_security_fields,
)
from tests.e2e.test_links import (
    link,
    test_a_link,
    test_a_link_shows_what_is_there_now,
    test_conditions,
    test_dispositions,
    test_head,
    test_what_could_act_is_never_shown,
)
from tests.e2e.test_public import public_bucket, test_a_public_file
from tests.e2e.test_small_pictures import test_every_way, test_refusals
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import exchange, head, until

SECURITY_FIELDS = ("Cache-Control", "Referrer-Policy", "X-Content-Type-Options")

__all__ = [
    "test_a_deleted_file_is_gone",
    "test_a_link",
    "test_a_link_shows_what_is_there_now",
    "test_a_public_file",
    "test_a_range",
    "test_a_range_past_the_end",
    "test_conditions",
    "test_dispositions",
    "test_download_names_inject_nothing",
    "test_every_way",
    "test_head",
    "test_head_says_what_get_would",
    "test_if_match_on_a_download",
    "test_if_range",
    "test_if_range_with_a_condition",
    "test_many_ranges",
    "test_names_in_the_disposition",
    "test_not_modified",
    "test_only_inert_types_are_shown",
    "test_refusals",
    "test_security_fields",
    "test_what_could_act_is_never_shown",
]

_READS = re.compile(r'^wharf_gateway_store_reads_total\{code="(\d+)"\} (\S+)$', re.MULTILINE)
# All header fields that a response with a file may have; none of them comes from the store.
FIELDS = {
    "Accept-Ranges",
    "Cache-Control",
    "Connection",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "Content-Security-Policy",
    "Content-Type",
    "Cross-Origin-Resource-Policy",
    "Date",
    "ETag",
    "Last-Modified",
    "Referrer-Policy",
    "Repr-Digest",
    "Server",
    "Vary",
    "X-Content-Type-Options",
    "X-Request-Id",
}


def addresses(api: ApiClient) -> list[str]:
    """Return the addresses of one file, whose content is BYTES, by token, by link and public."""
    base = public_bucket(api)
    api.stored("file", BYTES, {"Content-Type": "text/plain"}, bucket="shown")
    return ["/v1/files/shown/file", link(api, "file", bucket="shown"), f"{base}file"]


def test_nothing_of_the_store_is_told(wharf: Wharf, api: ApiClient) -> None:
    """A response has only the fields of a file on a disk, and no log has a presigned address."""
    for target in addresses(api):
        for fields in ({}, {"Range": "bytes=1-5"}, {"If-None-Match": '"x"'}):
            answer = api.get(target, fields)
            assert answer.status in (200, 206)
            names = [name.title() for name in answer.headers]
            assert len(names) == len(set(names)), names
            assert set(names) <= {name.title() for name in FIELDS}
            assert answer.header("Accept-Ranges") == "bytes"
            assert "localhost" not in str(answer.headers)
    logs = [path for path in (wharf.data / "log").iterdir() if path.is_file()]
    assert len(logs) > 5
    for path in logs:
        assert b"X-Amz-" not in path.read_bytes(), path


def test_nothing_lies_on_the_disk(wharf: Wharf, api: ApiClient) -> None:
    """The bytes of a file are only in the bucket."""
    api.stored("file", BYTES)
    assert api.file("file").body == BYTES
    assert not [path for path in (wharf.data / "tenants").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ("bytes=0-4,100-104", 200),
        ("bytes=0-4, 300000-", 200),
        ("bytes=a-b", 200),
        ("bytes=-", 200),
        ("lines=0-4", 200),
        ("bytes=0-4", 206),
        ("bytes=255990-300000", 206),
        ("bytes=-10", 206),
        ("bytes=-300000", 206),
        ("bytes=256000-", 416),
    ],
)
def test_what_a_range_brings(api: ApiClient, wanted: str, status: int) -> None:
    """A response to one valid range has its bytes; several or malformed ranges get the whole file.

    A range past the end gets a problem without the file's fields. Downloads by token, by link and
    in public all follow these rules.
    """
    for target in addresses(api):
        answer = api.get(target, {"Range": wanted})
        assert (target, answer.status) == (target, status)
        if status == 416:
            answer.problem(416, "range-not-satisfiable")
            assert answer.header("Content-Range") == f"bytes */{len(BYTES)}"
            assert answer.header("Cache-Control") == "no-store"
            for name in ("ETag", "Last-Modified", "Content-Disposition", "Accept-Ranges"):
                assert answer.headers[name] is None
            continue
        assert answer.header("Content-Length") == str(len(answer.body))
        if status == 200:
            assert (answer.body, answer.headers["Content-Range"]) == (BYTES, None)
        else:
            span, _, size = answer.header("Content-Range").removeprefix("bytes ").partition("/")
            first, _, last = span.partition("-")
            assert size == str(len(BYTES))
            assert answer.body == BYTES[int(first) : int(last) + 1] != b""


def test_a_wrong_range_is_no_fault_of_the_store(wharf: Wharf, api: ApiClient) -> None:
    """A client's range past the end does not count as a failed read from the store."""
    api.stored("file", BYTES)
    target = link(api)

    def reads() -> dict[str, str]:
        address = f"http://127.0.0.1:{wharf.metrics_port}/metrics/nginx"
        with urllib.request.urlopen(address, timeout=30) as answer:
            return dict(_READS.findall(answer.read().decode()))

    before = reads().get("206")
    assert api.get(target, {"Range": "bytes=999999-"}).status == 416
    assert api.get(target, {"Range": "bytes=1-2"}).status == 206
    assert until(lambda: reads().get("206") != before)
    assert float(reads()["416"]) == 0


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "conditions",
    [
        {"If-Match": "*"},
        {"If-Unmodified-Since": "{modified}"},
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"If-Range": "{etag}"},
        {"If-Range": "{modified}"},
        {"If-Match": "{etag}", "If-Range": "{etag}"},
    ],
    ids=str,
)
def test_conditions_that_hold(api: ApiClient, method: str, conditions: dict[str, str]) -> None:
    """A fulfilled condition changes no response by token, by link or in public, ranges included."""
    for target in addresses(api):
        first = api.get(target)
        known = {"etag": first.header("ETag"), "modified": first.header("Last-Modified")}
        fields = {name: value.format(**known) for name, value in conditions.items()}
        for wanted in ({}, {"Range": "bytes=1-5"}):
            plain = api.request(method, target, headers=wanted)
            answer = api.request(method, target, headers={**wanted, **fields})
            assert comparable(answer) == comparable(plain)


def test_the_same_as_by_token(api: ApiClient) -> None:
    """A link's 304, 200 and 206 have the validators of a request by token, and let any site embed
    them.
    """
    token, shared, _ = addresses(api)
    expected = api.get(token)
    check_security_fields(expected)
    for fields, status in (
        ({"If-None-Match": expected.header("ETag")}, 304),
        ({"If-Modified-Since": expected.header("Last-Modified")}, 304),
        ({}, 200),
        ({"Range": "bytes=0-1"}, 206),
    ):
        answer = api.using(None).get(shared, fields)
        assert answer.status == status
        for name in ("ETag", "Last-Modified", *SECURITY_FIELDS):
            assert answer.header(name) == expected.header(name), (status, name)
        # A 304 of the application may have more directives.
        policy = expected.header("Content-Security-Policy").split("; ")
        assert set(policy) <= set(answer.header("Content-Security-Policy").split("; "))
        # This field differs: a page of another site may show a file by its link.
        assert answer.header("Cross-Origin-Resource-Policy") == "cross-origin"


@pytest.mark.parametrize("address", ["/_s3", "/_disk_or_s3/", *INTERNAL[:2]])
def test_internal_addresses(wharf: Wharf, api: ApiClient, address: str) -> None:
    """No client can request an internal address, even with header fields that services use."""
    for suffix in ("", "?X-Amz-Signature=0", "/bucket/blob"):
        fields = (
            "X-Wharf-Blob: /bucket/blob?X-Amz-Signature=0",
            "X-Shared-Signed: /bucket/blob",
            "X-Accel-Redirect: /_s3",
            f"Authorization: Bearer {api.token}",
            "Connection: close",
        )
        (answer,) = exchange(wharf.port, head(f"GET {address}{suffix} HTTP/1.1", *fields))
        assert answer.status == 404
