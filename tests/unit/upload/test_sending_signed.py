"""Tests of the gateway's instructions for sending files from an object store."""

from __future__ import annotations

from typing import Any

import pytest

from servicekit.problems import ProblemError
from tests.servers.upload import new_file
from wharf_upload.downloads.headers import file_headers
from wharf_upload.downloads.pictures import picture_headers
from wharf_upload.http.request import Request, Response
from wharf_upload.http.sending import send, send_picture
from wharf_upload.storage.base import GatewayPlace

FILE = new_file("a.txt", size=1000)
LOCATION = "demo/0a/blob"
ON_DISK = GatewayPlace(LOCATION)
ON_STORE = GatewayPlace(LOCATION, "/bucket/blob?X-Amz-Signature=00", on_disk=False)
ON_BOTH = ON_STORE._replace(on_disk=True)


def sent(place: GatewayPlace, method: str = "GET", **fields: str) -> Response:
    """Return the response to a request with these fields."""
    environ: dict[str, Any] = {f"HTTP_{name}": value for name, value in fields.items()}
    request = Request({"REQUEST_METHOD": method, "REQUEST_URI": "/", **environ}, "")
    return send(request, FILE, place, file_headers(FILE))


def test_a_file_on_the_disk_is_not_signed() -> None:
    """nginx applies `Range` to a blob on the disk; the service only chooses the location."""
    for method in ("GET", "HEAD"):
        answer = sent(ON_DISK, method, RANGE="bytes=0-1", IF_RANGE='"x"')
        assert answer.headers == [*file_headers(FILE), ("X-Accel-Redirect", f"/_blobs/{LOCATION}")]
    matched = dict(sent(ON_DISK, IF_MATCH="*").headers)
    assert matched["X-Accel-Redirect"] == f"/_blobs_matched/{LOCATION}.text-plain"


@pytest.mark.parametrize(
    ("place", "address"),
    [(ON_STORE, "/_s3"), (ON_BOTH, f"/_disk_or_s3/{LOCATION}.text-plain")],
)
def test_a_file_on_the_store(place: GatewayPlace, address: str) -> None:
    """The gateway gets the location and the signature of the file.

    Header fields that a refusal must not have are under other names.
    """
    for fields in ({}, {"IF_MATCH": "*"}, {"IF_NONE_MATCH": '"x"'}):
        answer = sent(place, **fields)
        found = dict(answer.headers)
        assert len(found) == len(answer.headers)
        assert (answer.status, found["X-Accel-Redirect"]) == (200, address)
        assert (found["X-Wharf-Blob"], found["X-Shared-Size"]) == (place.signed, "1000")
        assert found["X-Shared-Type"] == "text/plain; charset=utf-8"
        assert found["X-Shared-Disposition"] == 'inline; filename="a.txt"'
        assert found["X-Shared-Cache-Control"] == "private, no-cache"
        for name in ("Content-Type", "Content-Disposition", "Cache-Control", "X-Wharf-Range"):
            assert name not in found


def test_a_head_is_answered() -> None:
    """`HEAD` gets the file's fields with its length, and no redirect."""
    answer = sent(ON_STORE, "HEAD", RANGE="bytes=0-1")
    assert answer.headers[:-2] == file_headers(FILE)
    assert answer.headers[-2:] == [("Content-Length", "1000"), ("Accept-Ranges", "bytes")]
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_come_first(method: str) -> None:
    """A precondition gives 304 or 412 as for a file on the disk, with a range or without."""
    for place in (ON_DISK, ON_STORE, ON_BOTH):
        unchanged = sent(place, method, IF_NONE_MATCH=FILE.etag, RANGE="bytes=5000-")
        assert unchanged == sent(ON_DISK, method, IF_NONE_MATCH=FILE.etag)
        assert unchanged.status == 304
        with pytest.raises(ProblemError) as raised:
            sent(place, method, IF_MATCH='"x"', RANGE="bytes=5000-")
        assert raised.value.problem.status == 412


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"RANGE": "bytes=1-2"}, "bytes=1-2"),
        ({"RANGE": "bytes=-5"}, "bytes=995-999"),
        ({"RANGE": "bytes=1-2,4-5"}, None),
        ({"RANGE": "nonsense"}, None),
        ({"RANGE": "bytes=1-2", "IF_RANGE": FILE.etag}, "bytes=1-2"),
        ({"RANGE": "bytes=1-2", "IF_RANGE": '"x"'}, None),
        ({"RANGE": "bytes=5000-", "IF_RANGE": '"x"'}, None),
    ],
)
def test_the_range_that_passes_on(fields: dict[str, str], wanted: str | None) -> None:
    """The gateway asks the store for one existing range, if If-Range allows the range."""
    assert dict(sent(ON_STORE, **fields).headers).get("X-Wharf-Range") == wanted


def test_a_range_past_the_end() -> None:
    """A range past the end is refused with the file's length, before the store is asked."""
    with pytest.raises(ProblemError) as raised:
        sent(ON_STORE, RANGE="bytes=1000-")
    assert raised.value.problem.slug == "range-not-satisfiable"
    assert raised.value.headers == (("Content-Range", "bytes */1000"),)


def test_a_picture() -> None:
    """The location of a picture contains that of its file; the signature is in a separate field."""
    request = Request({"REQUEST_METHOD": "GET", "REQUEST_URI": "/"}, "")
    for place in (ON_DISK, ON_STORE):
        answer = send_picture(request, FILE, 64, place, picture_headers(FILE, 64))
        found = dict(answer.headers)
        assert found["X-Accel-Redirect"] == f"/_picture/64/{LOCATION}"
        assert found.get("X-Wharf-Blob", "") == place.signed
