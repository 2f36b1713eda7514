"""Buckets and their policies."""

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
    """Raise `NoSuchBucket` if there is no such bucket."""
    if not connection.row("SELECT 1 FROM buckets WHERE tenant = ? AND name = ?", (tenant, bucket)):
        raise NoSuchBucket


def _page(tenant: str, rows: list[Row], limit: int, *, has_default: bool) -> list[Bucket]:
    """Return the buckets of rows, with the one that needs none where it belongs."""
    found = [
        Bucket(tenant=tenant, name=row[0], policy=_policy.decode(row[1]), created_at=row[2])
        for row in rows
    ]
    if has_default and all(bucket.name != DEFAULT_BUCKET for bucket in found):
        found.append(Bucket(tenant=tenant, name=DEFAULT_BUCKET, policy=Policy(), created_at=0))
    # It may belong behind the page; then it is on the next one.
    return sorted(found, key=lambda bucket: bucket.name)[:limit]


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

    def buckets(
        self,
        tenant: str,
        *,
        after: str = "",
        limit: int = LARGEST_PAGE,
        names: tuple[str, ...] | None = None,
    ) -> list[Bucket]:
        """Return the tenant's buckets by name, those past `after`, of these `names` if given."""
        if names is not None:
            return self._named(tenant, [name for name in names if name > after], limit)
        rows = self._database.reading().rows(
            "SELECT name, policy, created_at FROM buckets WHERE tenant = ? AND name > ? "
            "ORDER BY name LIMIT ?",
            (tenant, after, limit),
        )
        return _page(tenant, rows, limit, has_default=after < DEFAULT_BUCKET)

    def _named(self, tenant: str, names: list[str], limit: int) -> list[Bucket]:
        """Return the first of the buckets with these names; few are asked for at once."""
        found: list[Bucket] = []
        for start in range(0, len(names), _NAMES_A_TIME):
            some = names[start : start + _NAMES_A_TIME]
            # Filled up, so that there is one statement for any number of them.
            asked = some + some[-1:] * (_NAMES_A_TIME - len(some))
            room = limit - len(found)
            rows = self._database.reading().rows(_NAMED, (tenant, *asked, room))
            found += _page(tenant, rows, room, has_default=DEFAULT_BUCKET in some)
            if len(found) >= limit:
                break
        return found

    def put_bucket(self, bucket: Bucket) -> bool:
        """Create (true) or change (false) a bucket."""
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
            # Now that the bucket's row is locked: two changes of it must not mix.
            origins = bucket.policy.cors_origins
            cors_origins.index(connection, bucket.tenant, bucket.name, origins)
            # `default` exists before anybody sets its policy.
            return not changed and bucket.name != DEFAULT_BUCKET

        # Changes of a tenant take turns: of two new buckets only one has the last place.
        return bool(self._group.run(bucket.tenant, change))

    def delete_bucket(self, tenant: str, name: str) -> None:
        """Remove an empty bucket; raises `NoSuchBucket` or `BucketNotEmpty`."""

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
        """Tell whether a bucket of the tenant lists the origin or `*`; `None`: of any tenant."""
        return cors_origins.is_listed(self._database.reading(), origin, tenant)
