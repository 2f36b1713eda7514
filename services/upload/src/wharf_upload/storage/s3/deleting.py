"""The deletion of objects: up to a thousand in one request if the store supports it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wharf_upload.storage.errors import BlobMissing, StoreError
from wharf_upload.storage.s3 import metrics
from wharf_upload.storage.s3.client import Client
from wharf_upload.storage.s3.tries import BRIEF, ErrorCode
from wharf_upload.storage.s3.wire import Wire

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import DeleteTypeDef

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 1000
# The error codes of stores that do not support multi-deletion, or require another checksum for it.
_CANNOT = ("MissingContentMD5", "MethodNotAllowed", "NotImplemented", "501")


class Deletions:
    """Removes objects; several threads may use it."""

    def __init__(self, wire: Wire, client: Client) -> None:
        """Start with the assumption that the store supports multi-deletion."""
        self._wire, self._client = wire, client
        self._one_by_one = False

    def delete(self, key: str) -> None:
        """Remove an object; a missing object is no error."""
        try:
            self._wire.send(metrics.DELETE, "DELETE", key, patience=BRIEF)
        except BlobMissing:
            return

    def delete_all(self, keys: list[str]) -> list[str]:
        """Remove objects; return those that may still exist, and log why."""
        left: list[str] = []
        for begin in range(0, len(keys), _MOST_AT_ONCE):
            left += self._deleted(keys[begin : begin + _MOST_AT_ONCE])
        return left

    def _deleted(self, keys: list[str]) -> list[str]:
        if self._one_by_one:
            return self._delete_each(keys)
        try:
            return self._delete_at_once(keys)
        except ErrorCode as error:
            log.info(
                "the object store has no multi-deletion (%s), so blobs are deleted one by one",
                error.code,
            )
            self._one_by_one = True
            return self._delete_each(keys)
        except StoreError:  # the failure is logged already
            return keys

    def _delete_at_once(self, keys: list[str]) -> list[str]:
        wanted: DeleteTypeDef = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = self._client.ask(
            metrics.DELETE,
            lambda s3: s3.delete_objects(Bucket=self._client.bucket, Delete=wanted),
            passing=_CANNOT,
        )
        failed = [one for one in answer.get("Errors", ()) if one.get("Code") != "NoSuchKey"]
        if failed:
            log.warning(
                "the object store did not delete %d blobs: %s", len(failed), failed[0].get("Code")
            )
        return [one["Key"] for one in failed]

    def _delete_each(self, keys: list[str]) -> list[str]:
        left = []
        for key in keys:
            try:
                self.delete(key)
            except StoreError:  # the failure is logged already
                left.append(key)
        return left
