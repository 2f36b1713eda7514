"""Buckets and their policies."""

from __future__ import annotations

import msgspec

from servicekit.database import Connection
from wharf_upload.database import cors_origins
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.buckets import ALL, DEFAULT_BUCKET, Bucket, Policy
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.refusals import BucketNotEmpty, NoSuchBucket

_policy = msgspec.json.Decoder(Policy)


def require_bucket(connection: Connection, tenant: str, bucket: str) -> None:
    """Raise `NoSuchBucket` if there is no such bucket."""
    if not connection.row("SELECT 1 FROM buckets WHERE tenant = ? AND name = ?", (tenant, bucket)):
        raise NoSuchBucket(bucket)


class SqlBuckets(Aggregate):
    """Implements `contract.BucketRecords`."""

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """Return the bucket; `default` exists for every tenant."""
        row = self._database.reading().row(
            "SELECT policy, created_at FROM buckets WHERE tenant = ? AND name = ?", (tenant, name)
        )
        if row is not None:
            return Bucket(
                tenant=tenant, name=name, policy=_policy.decode(row[0]), created_at=row[1]
            )
        if name == DEFAULT_BUCKET:
            return Bucket(tenant=tenant, name=name, policy=Policy(), created_at=0)
        return None

    def buckets(self, tenant: str, *, after: str = "", limit: int = ALL) -> list[Bucket]:
        """Return the tenant's buckets by name, those past `after`."""
        rows = self._database.reading().rows(
            "SELECT name, policy, created_at FROM buckets WHERE tenant = ? AND name > ? "
            "ORDER BY name LIMIT ?",
            (tenant, after, limit),
        )
        found = [
            Bucket(tenant=tenant, name=row[0], policy=_policy.decode(row[1]), created_at=row[2])
            for row in rows
        ]
        if after < DEFAULT_BUCKET and all(bucket.name != DEFAULT_BUCKET for bucket in found):
            found.append(Bucket(tenant=tenant, name=DEFAULT_BUCKET, policy=Policy(), created_at=0))
        # It may belong behind the page; then it is on the next one.
        return sorted(found, key=lambda bucket: bucket.name)[:limit]

    def put_bucket(self, bucket: Bucket) -> bool:
        """Create (true) or change (false) a bucket."""
        policy = msgspec.json.encode(bucket.policy).decode()
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE buckets SET policy = ? WHERE tenant = ? AND name = ?",
                (policy, bucket.tenant, bucket.name),
            )
            if not changed:
                connection.execute(
                    "INSERT INTO buckets (tenant, name, policy, created_at) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (tenant, name) DO UPDATE SET policy = excluded.policy",
                    (bucket.tenant, bucket.name, policy, bucket.created_at),
                )
            # Now that the bucket's row is locked: two changes of it must not mix.
            origins = bucket.policy.cors_origins
            cors_origins.index(connection, bucket.tenant, bucket.name, origins)
            # `default` exists before anybody sets its policy.
            return not changed and bucket.name != DEFAULT_BUCKET

    def delete_bucket(self, tenant: str, name: str) -> None:
        """Remove an empty bucket; raises `NoSuchBucket` or `BucketNotEmpty`."""

        def change(connection: Connection, _: UnitOfWork) -> None:
            require_bucket(connection, tenant, name)
            if connection.row(
                "SELECT 1 FROM files WHERE tenant = ? AND bucket = ? "
                "AND (expires_at IS NULL OR expires_at > ?) LIMIT 1",
                (tenant, name, now_milliseconds()),
            ):
                raise BucketNotEmpty(name)
            connection.execute("DELETE FROM buckets WHERE tenant = ? AND name = ?", (tenant, name))
            cors_origins.index(connection, tenant, name, ())

        if name == DEFAULT_BUCKET and self.bucket(tenant, name) is None:
            raise NoSuchBucket(name)
        self._group.run(tenant, change)

    def lists_origin(self, bucket: str | None, origin: str, tenant: str | None = None) -> bool:
        """Tell whether a bucket of this name lists the origin or `*`; `None` stands for any."""
        return cors_origins.is_listed(self._database.reading(), bucket, origin, tenant)
