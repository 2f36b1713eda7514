"""Tests of the ages of objects, which are computed from the store's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, cast

import pytest

from servicekit.ids import uuid7_hex
from wharf_upload.storage.base import BlobName, StoreError
from wharf_upload.storage.s3.client import Client
from wharf_upload.storage.s3.listing import Listing
from wharf_upload.storage.s3.names import object_name

_AGE_SECONDS = 600


class FakeS3:
    """A store with a different clock, one object and one unfinished upload."""

    def __init__(self, ahead: float) -> None:
        now = datetime.fromtimestamp(time.time() + ahead, UTC)
        then = datetime.fromtimestamp(now.timestamp() - _AGE_SECONDS, UTC)
        key = object_name("w/", BlobName("demo", uuid7_hex()))
        head = {"ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(now, usegmt=True)}}}
        found = {"Key": key, "Size": 1, "LastModified": then}
        self.objects: dict[str, Any] = {**head, "Contents": [found], "IsTruncated": False}
        self._uploads = {**head, "Uploads": [{"Key": key, "UploadId": "1", "Initiated": then}]}

    def list_objects_v2(self, **_: object) -> dict[str, Any]:
        """Return the object."""
        return self.objects

    def list_multipart_uploads(self, **_: object) -> dict[str, Any]:
        """Return the unfinished upload."""
        return self._uploads


class FakeClient:
    """A client of this store."""

    bucket = "bucket"

    def __init__(self, s3: FakeS3) -> None:
        self._s3 = s3

    def ask(self, operation: str, request: Callable[[FakeS3], object]) -> object:
        """Return the store's response."""
        return request(self._s3)


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -7200.0])
def test_ages(ahead: float) -> None:
    """Ages are right even if the clocks of service and store differ by hours."""
    listing = Listing(cast("Client", FakeClient(FakeS3(ahead))), "w/")
    (found,) = listing.blobs(None)
    ((_, _, begun),) = listing.unfinished()
    expected = time.time() - _AGE_SECONDS
    assert found.changed_at == pytest.approx(expected, abs=60)
    assert begun == pytest.approx(expected, abs=60)


def test_half_a_list() -> None:
    """A truncated list without a position to continue from raises an error."""
    s3 = FakeS3(0.0)
    s3.objects["IsTruncated"] = True
    with pytest.raises(StoreError, match="without a next page"):
        list(Listing(cast("Client", FakeClient(s3)), "w/").blobs(None))


def test_no_list() -> None:
    """The page of a server that is no object store raises an error, and is no empty bucket."""
    s3 = FakeS3(0.0)
    del s3.objects["Contents"], s3.objects["IsTruncated"]
    with pytest.raises(StoreError, match="no list"):
        list(Listing(cast("Client", FakeClient(s3)), "w/").blobs(None))
