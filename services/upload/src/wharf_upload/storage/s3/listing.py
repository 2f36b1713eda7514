"""Lists of the bucket: all blobs, the blobs of some hours, and unfinished multipart uploads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from wharf_upload.storage.base import Found, Made
from wharf_upload.storage.errors import StoreError
from wharf_upload.storage.one_by_one import within
from wharf_upload.storage.s3 import metrics
from wharf_upload.storage.s3.client import Client
from wharf_upload.storage.s3.names import blob_name, hour_prefixes

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        ListMultipartUploadsOutputTypeDef,
        ListMultipartUploadsRequestTypeDef,
        ListObjectsV2OutputTypeDef,
        ListObjectsV2RequestTypeDef,
        ResponseMetadataTypeDef,
    )

# `Date` has a resolution of one second, so smaller differences between the clocks do not count.
_SAME_SECONDS = 5.0


class Listing:
    """The objects below one prefix of the bucket."""

    def __init__(self, client: Client, prefix: str, *, page: int = 1000) -> None:
        """Create the listing.

        `prefix` is "" or ends with `/`; `page` is the number of names in one response.
        """
        self._client, self._prefix, self._most = client, prefix, page

    def blobs(self, made: Made | None) -> Iterator[Found]:
        """Yield the blobs; other objects below the prefix are skipped."""
        if made is None:
            yield from self._below(self._prefix)
            return
        for prefix in hour_prefixes(self._prefix, made):
            yield from within(self._below(prefix), made)

    def _below(self, prefix: str) -> Iterator[Found]:
        after = ""
        while True:
            page = self._page(prefix, after)
            ahead = _seconds_ahead(page["ResponseMetadata"])
            for one in page.get("Contents", ()):
                name = blob_name(self._prefix, one["Key"])
                if name is not None:
                    yield Found(name, one["Size"], _seconds(one["LastModified"]) - ahead)
            if "IsTruncated" not in page:
                # botocore reads the response of any other server as an empty list.
                raise StoreError("the response is no list of objects; is WHARF_BLOB_URL correct?")
            if not page["IsTruncated"]:
                return
            after = page.get("NextContinuationToken", "")
            if not after:
                # An incomplete list must not be used: blobs that it lacks would count as swept, or
                # as moved.
                raise StoreError("the object store returned an incomplete list without a next page")

    def _page(self, prefix: str, after: str) -> ListObjectsV2OutputTypeDef:
        wanted: ListObjectsV2RequestTypeDef = {
            "Bucket": self._client.bucket,
            "Prefix": prefix,
            "MaxKeys": self._most,
        }
        if after:
            wanted["ContinuationToken"] = after
        return self._client.ask(metrics.LIST, lambda s3: s3.list_objects_v2(**wanted))

    def unfinished(self) -> Iterator[tuple[str, str, float]]:
        """Yield the key, the id and the start (unix seconds) of unfinished multipart uploads."""
        key, upload = "", ""
        while True:
            page = self._page_of_unfinished(key, upload)
            ahead = _seconds_ahead(page["ResponseMetadata"])
            for one in page.get("Uploads", ()):
                if blob_name(self._prefix, one["Key"]) is not None:
                    yield one["Key"], one["UploadId"], _seconds(one["Initiated"]) - ahead
            key, upload = page.get("NextKeyMarker", ""), page.get("NextUploadIdMarker", "")
            if not page.get("IsTruncated") or not key:
                return

    def _page_of_unfinished(self, key: str, upload: str) -> ListMultipartUploadsOutputTypeDef:
        wanted: ListMultipartUploadsRequestTypeDef = {
            "Bucket": self._client.bucket,
            "Prefix": self._prefix,
            "MaxUploads": self._most,
        }
        if key:
            wanted |= {"KeyMarker": key, "UploadIdMarker": upload}
        return self._client.ask(
            metrics.LIST_MULTIPARTS, lambda s3: s3.list_multipart_uploads(**wanted)
        )


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _seconds_ahead(answer: ResponseMetadataTypeDef) -> float:
    """Return how many seconds the store's clock is ahead of the local clock.

    The listing subtracts this number from the store's times, so that ages are correct by the local
    clock. A difference below five seconds counts as 0.
    """
    try:
        said = parsedate_to_datetime(answer["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, ValueError):
        return 0.0
    ahead = said - time.time()
    return ahead if abs(ahead) >= _SAME_SECONDS else 0.0
