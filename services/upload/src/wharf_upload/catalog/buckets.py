"""Buckets and their policies."""

from __future__ import annotations

from typing import Protocol

import msgspec

from servicekit.pages import PAGE_BYTES
from wharf_upload.domain import keys
from wharf_upload.domain.buckets import LARGEST_PAGE, Bucket, Policy
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.refusals import NoSuchBucket

_AT_ONCE = 100


class StoredBuckets(Protocol):
    """The queries of the bucket catalog to the database; see `database.contract`."""

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """Return the bucket, or `None`; every tenant has the bucket `default`."""

    def buckets(
        self,
        tenant: str,
        *,
        after: str = "",
        limit: int = LARGEST_PAGE,
        names: tuple[str, ...] | None = None,
    ) -> list[Bucket]:
        """Return the tenant's buckets after `after`, by name.

        `names` limits the result to buckets with these names.
        """

    def put_bucket(self, bucket: Bucket) -> bool:
        """Store a bucket and its policy; return whether the bucket is new.

        Raises `LimitReached`.
        """

    def delete_bucket(self, tenant: str, name: str) -> None:
        """Delete an empty bucket; raises `NoSuchBucket` or `BucketNotEmpty`."""


class BucketCatalog:
    """The buckets of all tenants."""

    def __init__(self, stored: StoredBuckets) -> None:
        self._stored = stored

    def page(
        self, tenant: str, *, after: str, limit: int, names: tuple[str, ...] | None = None
    ) -> tuple[list[Bucket], str | None]:
        """Return a page of buckets by name, and the name after which the next page starts.

        On the last page, the second value is `None`. `names` (sorted) limits the result to buckets
        with these names. A page has fewer buckets than `limit` if their policies are large.
        """
        page: list[Bucket] = []
        size = 0
        while True:
            count = min(_AT_ONCE, limit + 1 - len(page))
            found = self._stored.buckets(tenant, after=after, limit=count, names=names)
            for bucket in found:
                if len(page) == limit or size > PAGE_BYTES:
                    return page, page[-1].name
                page.append(bucket)
                size += len(msgspec.json.encode(bucket.policy))
            if len(found) < count:
                return page, None
            after = page[-1].name

    def find(self, tenant: str, name: str) -> Bucket:
        """Return the bucket; raises `NoSuchBucket`."""
        found = self._stored.bucket(tenant, name)
        if found is None:
            raise NoSuchBucket
        return found

    def put(self, tenant: str, name: str, policy: Policy) -> tuple[Bucket, bool]:
        """Set the policy of a bucket; return the bucket, and whether it is new.

        Raises `InvalidBucketName` and `LimitReached`.
        """
        wanted = Bucket(
            tenant=tenant,
            name=keys.bucket_name(name),
            policy=policy,
            created_at=now_milliseconds(),
        )
        created = self._stored.put_bucket(wanted)
        return self.find(tenant, wanted.name), created

    def delete(self, tenant: str, name: str) -> None:
        """Delete an empty bucket; raises `NoSuchBucket` or `BucketNotEmpty`."""
        self._stored.delete_bucket(tenant, name)
