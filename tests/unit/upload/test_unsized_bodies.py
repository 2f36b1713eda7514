"""Tests of bodies without a length, for which the admission chooses a body class (ADR 58)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.tokens import Principal
from tests.servers.upload import BOUNDARY, UploadService
from wharf_upload.domain.body_classes import (
    CLASSES,
    FACTOR,
    LARGEST_BYTES,
    SMALLEST_BYTES,
    class_for,
)
from wharf_upload.uploads.resumable.values import UploadCreation

LIMIT = 1000
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
TUS = {"Tus-Resumable": "1.0.0", "Upload-Metadata": "key YQ==,bucket bmFycm93"}
IETF = {"Content-Type": "application/partial-upload", "Upload-Complete": "?0"}


def asked(
    upload: UploadService,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    length: str = "",
) -> tuple[int, str | None, str | None]:
    """Return status, class and limit of an admission, as the gateway gets them.

    The function ends the admission's reservation.
    """
    environ = {"WHARF_STEP": "admit", "CONTENT_LENGTH": length}
    reply = upload.request(method, path, b"", headers, environ)
    upload.context.receiving.body_room.give_back(reply.headers.get("X-Reservation", ""))
    status = int(reply.headers.get("X-Denied-Status", reply.status_code))
    return status, reply.headers.get("X-Body-Class"), reply.headers.get("X-Body-Limit")


def bucket(upload: UploadService, **policy: Any) -> None:
    """Create the bucket `narrow`."""
    fields = {"Content-Type": "application/json"}
    body = json.dumps({"max_file_bytes": LIMIT, **policy}).encode()
    assert upload.request("PUT", "/v1/buckets/narrow", body, fields).status_code in {200, 201}


def quota(upload: UploadService, max_bytes: int) -> None:
    """Set the tenant's quota."""
    admin = upload.issuer.token(scope="tenants:admin")
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {admin}"}
    body = json.dumps({"max_bytes": max_bytes}).encode()
    path = f"/v1/tenants/{upload.tenant}/limits"
    assert upload.request("PUT", path, body, fields).status_code == 200


@given(
    limit=st.integers(0, LARGEST_BYTES),
    room=st.integers(0, 2 * LARGEST_BYTES),
)
def test_a_class_is_near_its_limit(limit: int, room: int) -> None:
    """A class covers the limit and is less than twice as large, or the space allows no more."""
    found = class_for(limit, room)
    if found is None:
        assert room < SMALLEST_BYTES
        return
    assert found in CLASSES
    assert found <= room
    assert found < FACTOR * max(limit, SMALLEST_BYTES)
    assert found >= limit or FACTOR * found > room


@pytest.mark.parametrize(
    ("limit", "room", "found"),
    [
        (0, LARGEST_BYTES, SMALLEST_BYTES),
        (1024, LARGEST_BYTES, 1024),
        (1025, LARGEST_BYTES, 2048),
        (2048, 2048, 2048),
        (2049, 2048, 2048),
        (4096, 1024, 1024),
        (4096, 1023, None),
        (LARGEST_BYTES, LARGEST_BYTES, LARGEST_BYTES),
        (LARGEST_BYTES + 1, LARGEST_BYTES, LARGEST_BYTES),
    ],
)
def test_a_class_at_its_bounds(limit: int, room: int, found: int | None) -> None:
    """A limit gets the smallest class that is not below the limit. If the room is too small for
    this class, the limit gets the largest class that fits, or no class.
    """
    assert class_for(limit, room) == found


def test_a_body_with_a_length_has_no_class(upload: UploadService) -> None:
    """A body with a length gets no class."""
    assert asked(upload, "PUT", "/v1/files/default/a", length="5") == (204, None, None)
    form = asked(upload, "POST", "/v1/files/default", FORM, "500")
    assert form == (204, None, None)


@pytest.mark.parametrize(
    ("method", "path", "headers", "limit"),
    [
        ("PUT", "/v1/files/narrow/a", {}, LIMIT),
        ("PUT", "/v1/files/narrow/a", IETF, LIMIT),
        ("PUT", "/v1/files/narrow/a", {**IETF, "Upload-Length": "300"}, 300),
        ("POST", "/v1/uploads", {**TUS, "Upload-Length": "400"}, 400),
        ("POST", "/v1/uploads", {**TUS, "Upload-Length": str(1 << 40)}, LIMIT),
        ("POST", "/v1/uploads", {**TUS, "Upload-Defer-Length": "1"}, LIMIT),
    ],
)
def test_the_limit_of_a_bucket(
    upload: UploadService, method: str, path: str, headers: dict[str, str], limit: int
) -> None:
    """A body without a length gets the class for the limit of its bucket or upload.

    This applies to every way of sending the body.
    """
    bucket(upload)
    assert asked(upload, method, path, headers) == (204, "1024", str(limit))


def test_forms(upload: UploadService) -> None:
    """The limit of a form is the largest number of files of the largest size, plus 1 MiB."""
    bucket(upload)
    upload = upload.restarted(max_form_files=3000)
    limit = 3000 * LIMIT + (1 << 20)
    assert asked(upload, "POST", "/v1/files/narrow", FORM) == (204, str(1 << 22), str(limit))


def test_a_part_of_an_upload(upload: UploadService) -> None:
    """The limit of a part is the number of bytes that the upload lacks after the part's offset."""
    bucket(upload, max_file_bytes=1 << 20)
    path = created(upload, 5000)
    part = {**TUS, "Upload-Offset": "2000"}
    assert asked(upload, "PATCH", path, part) == (204, "4096", "3000")
    deferred = created(upload, None)
    left = (1 << 20) - 2000
    assert asked(upload, "PATCH", deferred, part) == (204, str(1 << 20), str(left))


def created(upload: UploadService, length: int | None) -> str:
    """Return the path of a new upload."""
    caller = Principal(upload.tenant, "client-1", frozenset({"files:write"}), "jti", 1 << 40)
    wanted = UploadCreation("narrow", "a", length)
    made = upload.context.resumable_uploads.creator.create(caller, wanted)
    return f"/v1/uploads/{made.id}"


def test_what_is_left_of_the_quota(upload: UploadService) -> None:
    """The rest of the quota limits a body, and the bytes of a file that the body replaces count as
    free.
    """
    quota(upload, 100_000)
    upload.put("a.txt", b"x" * 90_000)
    assert asked(upload, "PUT", "/v1/files/default/b.txt") == (204, "16384", "10000")
    assert asked(upload, "PUT", "/v1/files/default/a.txt") == (204, str(1 << 17), "100000")
    # The repeated request may be for a file that is already stored.
    repeated = asked(upload, "PUT", "/v1/files/default/b.txt", {"Idempotency-Key": "k"})
    assert int(repeated[1] or 0) > 1 << 20


def test_the_class_is_reserved(upload: UploadService) -> None:
    """The class is reserved until nginx reports the id of the reservation."""
    bucket(upload)
    under_way = upload.context.reservations
    for method, path, headers in (
        ("PUT", "/v1/files/narrow/a", {}),
        ("PATCH", created(upload, 900), {**TUS, "Upload-Offset": "400"}),
    ):
        environ = {"WHARF_STEP": "admit", "CONTENT_LENGTH": ""}
        reply = upload.request(method, path, b"", headers, environ)
        assert under_way.reserved().outstanding_bytes == 1024
        assert under_way.end([reply.headers["X-Reservation"]]) == 1
        assert under_way.reserved().outstanding_bytes == 0


def test_no_room(upload: UploadService) -> None:
    """Without space for the smallest class the body is refused."""
    upload = upload.restarted(disk_reserve_bytes=1 << 60)
    assert asked(upload, "PUT", "/v1/files/default/a") == (507, None, None)
