"""Lists of the bucket: blobs, those of some hours alone, and unfinished multipart uploads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from wharf_upload.storage.base import Found, Made
from wharf_upload.storage.one_by_one import within
from wharf_upload.storage.s3 import metrics
from wharf_upload.storage.s3.client import Client
from wharf_upload.storage.s3.names import blob_name, hour_prefixes

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        ListMultipartUploadsOutputTypeDef,
        ListObjectsV2OutputTypeDef,
        ResponseMetadataTypeDef,
    )

# A `Date` counts whole seconds; a smaller difference of the clocks is none.
_SAME_SECONDS = 5.0


class Listing:
    """What lies below one prefix of the bucket."""

    def __init__(self, client: Client, prefix: str) -> None:
        """`prefix` is empty, or ends with `/`."""
        self._client, self._prefix = client, prefix

    def blobs(self, made: Made | None) -> Iterator[Found]:
        """Yield the blobs; what else lies there is passed over."""
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
            after = page.get("NextContinuationToken", "")
            if not page.get("IsTruncated") or not after:
                return

    def _page(self, prefix: str, after: str) -> ListObjectsV2OutputTypeDef:
        bucket = self._client.bucket
        if not after:
            return self._client.ask(
                metrics.LIST, lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
            )
        return self._client.ask(
            metrics.LIST,
            lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=prefix, ContinuationToken=after),
        )

    def unfinished(self) -> Iterator[tuple[str, str, float]]:
        """Yield the key, the identifier and the beginning of each unfinished multipart upload."""
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
        bucket, prefix = self._client.bucket, self._prefix
        if not key:
            return self._client.ask(
                metrics.LIST_MULTIPARTS,
                lambda s3: s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix),
            )
        return self._client.ask(
            metrics.LIST_MULTIPARTS,
            lambda s3: s3.list_multipart_uploads(
                Bucket=bucket, Prefix=prefix, KeyMarker=key, UploadIdMarker=upload
            ),
        )


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _seconds_ahead(answer: ResponseMetadataTypeDef) -> float:
    """Return by how much the store's clock is ahead of ours: ages are by one clock, the store's."""
    try:
        said = parsedate_to_datetime(answer["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, ValueError):
        return 0.0
    ahead = said - time.time()
    return ahead if abs(ahead) >= _SAME_SECONDS else 0.0
