"""The rows of buckets and their policies."""

from __future__ import annotations

import msgspec

from servicekit.database import Connection, Row
from wharf_upload.database import cors_origins
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.row_counts import require_room
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.buckets import DEFAULT_BUCKET, LARGEST_PAGE, Bucket, Policy
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.refusals import BucketNotEmpty, NoSuchBucket

_policy = msgspec.json.Decoder(Policy)
_NAMES_A_TIME = 100
_NAMED = (
    "SELECT name, policy, created_at FROM buckets WHERE tenant = ? "  # noqa: S608 -- constants only
    f"AND name IN ({', '.join('?' * _NAMES_A_TIME)}) ORDER BY name LIMIT ?"
)


def require_bucket(connection: Connection, tenant: str, bucket: str) -> None:
    """Raise `NoSuchBucket` if the bucket does not exist."""
    if not connection.row("SELECT 1 FROM buckets WHERE tenant = ? AND name = ?", (tenant, bucket)):
        raise NoSuchBucket


def _page(tenant: str, rows: list[Row], limit: int, *, has_default: bool) -> list[Bucket]:
    """Return the buckets of the rows by name.

    With `has_default`, add `default` if it has no row.
    """
    found = [
        Bucket(tenant=tenant, name=row[0], policy=_policy.decode(row[1]), created_at=row[2])
        for row in rows
    ]
    if has_default and all(bucket.name != DEFAULT_BUCKET for bucket in found):
        found.append(Bucket(tenant=tenant, name=DEFAULT_BUCKET, policy=Policy(), created_at=0))
    # `default` may sort after the last entry of this page; then the next page lists it.
    return sorted(found, key=lambda bucket: bucket.name)[:limit]


class SqlBuckets(Aggregate):
    """Implements `contract.BucketRecords`."""

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """Return the bucket, or `None` if it does not exist.

        Every tenant has the bucket `default`.
        """
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

    def buckets(
        self,
        tenant: str,
        *,
        after: str = "",
        limit: int = LARGEST_PAGE,
        names: tuple[str, ...] | None = None,
    ) -> list[Bucket]:
        """Return the tenant's buckets after the name `after`, in order.

        `names`, if given, limits the result to buckets with these names.
        """
        if names is not None:
            return self._named(tenant, [name for name in names if name > after], limit)
        rows = self._database.reading().rows(
            "SELECT name, policy, created_at FROM buckets WHERE tenant = ? AND name > ? "
            "ORDER BY name LIMIT ?",
            (tenant, after, limit),
        )
        return _page(tenant, rows, limit, has_default=after < DEFAULT_BUCKET)

    def _named(self, tenant: str, names: list[str], limit: int) -> list[Bucket]:
        """Return the first `limit` buckets with these names; one query covers a hundred names."""
        found: list[Bucket] = []
        for start in range(0, len(names), _NAMES_A_TIME):
            some = names[start : start + _NAMES_A_TIME]
            # Repeat the last name up to a hundred: one prepared statement serves any number of
            # names.
            asked = some + some[-1:] * (_NAMES_A_TIME - len(some))
            room = limit - len(found)
            rows = self._database.reading().rows(_NAMED, (tenant, *asked, room))
            found += _page(tenant, rows, room, has_default=DEFAULT_BUCKET in some)
            if len(found) >= limit:
                break
        return found

    def put_bucket(self, bucket: Bucket) -> bool:
        """Store a bucket and its policy; return whether the bucket is new."""
        policy = msgspec.json.encode(bucket.policy).decode()

        def change(connection: Connection, unit: UnitOfWork) -> bool:
            changed = connection.execute(
                "UPDATE buckets SET policy = ? WHERE tenant = ? AND name = ?",
                (policy, bucket.tenant, bucket.name),
            )
            if not changed:
                if bucket.name != DEFAULT_BUCKET:
                    require_room(connection, bucket.tenant, "buckets", unit.quota.rows.buckets)
                connection.execute(
                    "INSERT INTO buckets (tenant, name, policy, created_at) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (tenant, name) DO UPDATE SET policy = excluded.policy",
                    (bucket.tenant, bucket.name, policy, bucket.created_at),
                )
            # Update the index only after the statements above, which lock the bucket's row: two
            # concurrent changes of one bucket must not mix their origins.
            origins = bucket.policy.cors_origins
            cors_origins.index(connection, bucket.tenant, bucket.name, origins)
            # `default` exists before a policy is stored for it, so it is never new.
            return not changed and bucket.name != DEFAULT_BUCKET

        # Changes of one tenant run one after the other, so two concurrent new buckets cannot both
        # take the last permitted place.
        return bool(self._group.run(bucket.tenant, change))

    def delete_bucket(self, tenant: str, name: str) -> None:
        """Remove a bucket that has no live files; raises `NoSuchBucket` or `BucketNotEmpty`."""

        def change(connection: Connection, _: UnitOfWork) -> None:
            require_bucket(connection, tenant, name)
            if connection.row(
                "SELECT 1 FROM files WHERE tenant = ? AND bucket = ? "
                "AND (expires_at IS NULL OR expires_at > ?) LIMIT 1",
                (tenant, name, now_milliseconds()),
            ):
                raise BucketNotEmpty
            connection.execute("DELETE FROM buckets WHERE tenant = ? AND name = ?", (tenant, name))
            cors_origins.index(connection, tenant, name, ())

        self._group.run(tenant, change)

    def lists_origin(self, origin: str, tenant: str | None = None) -> bool:
        """Tell whether a bucket of the tenant lists the origin or `*`; `None` means any tenant."""
        return cors_origins.is_listed(self._database.reading(), origin, tenant)
