"""The records in SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from servicekit.database import Connection, Database, revisions
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.records import changes, events, links, listing, purging, ticket_uses
from wharf_upload.records.base import (
    DEFAULT_BUCKET,
    Bucket,
    BucketNotEmpty,
    Doomed,
    Edit,
    Event,
    File,
    Limits,
    NoSuchBucket,
    Page,
    Policy,
    Stored,
    Usage,
    Write,
)
from wharf_upload.records.forgetting import forget, forget_events
from wharf_upload.records.grouping import AfterCommit, BeforeCommit, GroupCommit
from wharf_upload.records.ledger import Ledger, now_milliseconds
from wharf_upload.records.overview import Overview
from wharf_upload.records.quotas import Quota
from wharf_upload.records.rows import COLUMNS, to_file
from wharf_upload.records.uploads import SqlUploads

_policy = msgspec.json.Decoder(Policy)
_FILES_A_TIME = 1000
_BLOBS_A_TIME = 100
_KNOWN_BLOBS = tuple(
    f"SELECT tenant, blob FROM {table} WHERE blob IN ({', '.join('?' * _BLOBS_A_TIME)})"  # noqa: S608 -- constants only
    for table in ("files", "doomed")
)
_LIMITS = Limits.__struct_fields__

# What the last of the migrations is called, and where the database remembers it.
SCHEMA, VERSION_TABLE = "0007", "alembic_version"


class SqlRecords:
    """`before_commit` makes blobs' names durable ahead of the rows that point to them;
    `after_commit` hears what has happened to files; `quota` holds where nothing else is set.
    """

    def __init__(
        self,
        database: Database,
        before_commit: BeforeCommit | None = None,
        after_commit: AfterCommit | None = None,
        quota: Quota | None = None,
    ) -> None:
        self.database = database
        self._database = database
        self._group = GroupCommit(database, before_commit, after_commit, quota)
        self.uploads = SqlUploads(database, self._group)
        self.overview = Overview(database, quota)

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """The bucket; see the contract."""
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

    def buckets(self, tenant: str) -> list[Bucket]:
        """The tenant's buckets by name."""
        rows = self._database.reading().rows(
            "SELECT name, policy, created_at FROM buckets WHERE tenant = ? ORDER BY name", (tenant,)
        )
        found = [
            Bucket(tenant=tenant, name=row[0], policy=_policy.decode(row[1]), created_at=row[2])
            for row in rows
        ]
        if not any(bucket.name == DEFAULT_BUCKET for bucket in found):
            found.append(Bucket(tenant=tenant, name=DEFAULT_BUCKET, policy=Policy(), created_at=0))
        return sorted(found, key=lambda bucket: bucket.name)

    def put_bucket(self, bucket: Bucket) -> bool:
        """Creates (true) or changes (false) a bucket."""
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
            links.index_origins(connection, bucket.tenant, bucket.name, origins)
            # `default` exists before anybody sets its policy.
            return not changed and bucket.name != DEFAULT_BUCKET

    def delete_bucket(self, tenant: str, name: str) -> None:
        """Raises `NoSuchBucket` or `BucketNotEmpty`."""

        def change(connection: Connection, _: Ledger) -> None:
            changes.require_bucket(connection, tenant, name)
            if connection.row(
                "SELECT 1 FROM files WHERE tenant = ? AND bucket = ? "
                "AND (expires_at IS NULL OR expires_at > ?) LIMIT 1",
                (tenant, name, now_milliseconds()),
            ):
                raise BucketNotEmpty(name)
            connection.execute("DELETE FROM buckets WHERE tenant = ? AND name = ?", (tenant, name))
            links.index_origins(connection, tenant, name, ())

        if name == DEFAULT_BUCKET and self.bucket(tenant, name) is None:
            raise NoSuchBucket(name)
        self._group.run(tenant, change)

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """The live file of this key."""
        connection: Any = self._database.reading()
        return changes.find(connection, tenant, bucket, key)

    def announce(self) -> None:
        """Says that this thread will write soon; see the contract."""
        self._group.gathering.announce()

    def withdraw(self) -> None:
        """Says that this thread has written, or will not."""
        self._group.gathering.arrived()

    def write(self, write: Write) -> Stored:
        """Makes files visible; see the contract."""
        first = write.files[0]
        blobs = [(file.tenant, file.blob) for file in write.files]
        stored: Stored = self._group.run(first.tenant, changes.write(write), blobs)
        return stored

    def change(self, file: File, edit: Edit, condition: WriteCondition | None) -> File:
        """Stores what `edit` makes of a file as it is by then."""
        changed: File = self._group.run(file.tenant, changes.alter(file, edit, condition))
        return changed

    def delete(self, tenant: str, bucket: str, key: str, condition: WriteCondition | None) -> File:
        """Removes a file's row."""
        old: File = self._group.run(tenant, changes.delete(tenant, bucket, key, condition))
        return old

    def list_files(
        self, tenant: str, bucket: str, *, prefix: str, delimiter: str, after: str, limit: int
    ) -> Page:
        """Files by key; see the contract."""
        return listing.page(
            self._database.reading(),
            tenant,
            bucket,
            prefix=prefix,
            delimiter=delimiter,
            after=after,
            limit=limit,
            now=now_milliseconds(),
        )

    def expire(self, now: int, limit: int) -> int:
        """Deletes files whose time is over."""
        rows = self._database.reading().rows(
            "SELECT tenant, bucket, key FROM files "
            "WHERE expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?",
            (now, limit),
        )
        names: dict[str, list[tuple[str, str]]] = {}
        for tenant, bucket, key in rows:
            names.setdefault(tenant, []).append((bucket, key))
        return sum(
            self._group.run(tenant, changes.expire(tenant, some, now))
            for tenant, some in names.items()
        )

    def expire_tenant(self, tenant: str, now: int) -> int:
        """Deletes files of one tenant whose time is over."""
        count: int = self._group.run(tenant, changes.expire_tenant(tenant, now))
        return count

    def limits(self, tenant: str) -> Limits:
        """What was set for the tenant."""
        row = self._database.reading().row(
            f"SELECT {', '.join(_LIMITS)} FROM limits WHERE tenant = ?",  # noqa: S608 -- constants
            (tenant,),
        )
        return Limits(**dict(zip(_LIMITS, row, strict=True))) if row else Limits()

    def put_limits(self, tenant: str, limits: Limits) -> None:
        """Sets a tenant's limits."""
        changes = ", ".join(f"{name} = excluded.{name}" for name in _LIMITS)
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT INTO limits (tenant, {', '.join(_LIMITS)}) "  # noqa: S608 -- constants
                f"VALUES (?{', ?' * len(_LIMITS)}) ON CONFLICT (tenant) DO UPDATE SET {changes}",
                (tenant, *msgspec.structs.astuple(limits)),
            )

    def events(self, tenant: str, after: int, limit: int) -> list[Event]:
        """The tenant's events after a number."""
        return events.after(self._database.reading(), tenant, after, limit)

    def forget_events(self, before: int) -> int:
        """Drops old events; how many."""
        return forget_events(self._database, before)

    def purge_tenant(self, tenant: str, limit: int) -> int:
        """Removes rows of a tenant, some at a time."""
        count: int = self._group.run(tenant, purging.purge_step(tenant, limit))
        return count

    def usage(self, tenant: str) -> Usage:
        """What the tenant has stored."""
        row = self._database.reading().row(
            "SELECT bytes, files FROM usage WHERE tenant = ?", (tenant,)
        )
        return Usage(bytes=row[0], files=row[1]) if row else Usage(bytes=0, files=0)

    def known_blobs(self, names: list[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these (tenant, blob) a row names."""
        connection, known = self._database.reading(), set[tuple[str, str]]()
        for start in range(0, len(names), _BLOBS_A_TIME):
            some = names[start : start + _BLOBS_A_TIME]
            # Always as many: one statement to prepare. In order: neighbours in the index.
            blobs = sorted(blob for _, blob in some)
            blobs += blobs[-1:] * (_BLOBS_A_TIME - len(blobs))
            # Files first: a blob on its way from one table to the other is seen in one of them.
            for statement in _KNOWN_BLOBS:
                known.update((row[0], row[1]) for row in connection.rows(statement, blobs))
        return known.intersection(names)

    def doomed(self, before: int, limit: int) -> list[Doomed]:
        """Blobs that were given up before a time."""
        rows = self._database.reading().rows(
            "SELECT tenant, blob, doomed_at FROM doomed WHERE doomed_at < ? "
            "ORDER BY doomed_at LIMIT ?",
            (before, limit),
        )
        return [Doomed(tenant=row[0], blob=row[1], doomed_at=row[2]) for row in rows]

    def forget_doomed(self, blobs: list[str]) -> None:
        """Their bytes are gone."""
        with self._database.transaction() as connection:
            connection.execute_many(
                "DELETE FROM doomed WHERE blob = ?", [(blob,) for blob in blobs]
            )

    def ticket_uses(self, tenant: str, ticket: str) -> int:
        """How many files an upload ticket has brought."""
        return ticket_uses.used(self._database.reading(), tenant, ticket)

    def forget_ticket_uses(self, before: int) -> int:
        """Drops the counts of tickets that expired before a time; how many."""
        return forget(self._database, "ticket_uses", "expires_at", "tenant, ticket", before)

    def forget_idempotency(self, before: int) -> int:
        """Drops remembered requests older than a time; how many."""
        return forget(self._database, "idempotency", "created_at", "tenant, subject, key", before)

    def live_files(self) -> Iterator[File]:
        """All live files, by tenant, bucket and key."""
        connection = self._database.reading()
        position = ("", "", "")
        while True:
            rows = connection.rows(
                f"SELECT {COLUMNS} FROM files "  # noqa: S608 -- constants only
                "WHERE (tenant, bucket, key) > (?, ?, ?) ORDER BY tenant, bucket, key LIMIT ?",
                (*position, _FILES_A_TIME),
            )
            if not rows:
                return
            for row in rows:
                yield to_file(row)
            position = (rows[-1][1], rows[-1][2], rows[-1][3])

    def link_key(self, tenant: str, *, create: bool = False) -> bytes | None:
        """The secret that the tenant's links are signed with."""
        found = links.find_key(self._database.reading(), tenant)
        if found is not None or not create:
            return found
        with self._database.transaction() as connection:
            links.make_key(connection, tenant, now_milliseconds())
            # Read back: another process may have been first.
            return links.find_key(connection, tenant)

    def rotate_link_key(self, tenant: str) -> None:
        """Gives the tenant a new secret: every link signed so far is void."""
        with self._database.transaction() as connection:
            links.replace_key(connection, tenant, now_milliseconds())

    def lists_origin(self, bucket: str | None, origin: str, tenant: str | None = None) -> bool:
        """Whether a bucket of this name (`None`: any) lists the origin or `*`; of this tenant, or
        where that is `None`, of whichever.
        """
        return links.lists_origin(self._database.reading(), bucket, origin, tenant)

    def check(self) -> str | None:
        """What is wrong with the database, or `None`."""
        reading = self._database.reading()
        return revisions.error(reading, VERSION_TABLE, SCHEMA, "wharf-upload migrate")
