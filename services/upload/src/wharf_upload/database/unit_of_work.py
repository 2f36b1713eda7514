"""Collects what the changes of one transaction write at its end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from servicekit.database import Connection
from servicekit.metric_buffers import Labels, MetricBuffer
from wharf_upload.database.allowances import allowance
from wharf_upload.database.event_numbers import NotedEvent, insert_events
from wharf_upload.database.new_jobs import insert_jobs
from wharf_upload.database.row_counts import KeyCounts
from wharf_upload.domain.clock import now_microseconds, now_milliseconds
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.jobs import NewJob
from wharf_upload.domain.quotas import Allowance, Quota

# The kind of an event, and the file after the event; for a deleted file, its last state.
FileEvent = tuple[str, File]


@dataclass
class UnitOfWork:
    """The changes of usage, events, pending deletions and jobs of a transaction.

    They are written at its end. `measured` are the buffers and labels of counters that count one
    more when the transaction has been committed.
    """

    quota: Quota
    keys: KeyCounts
    dialect: str
    allowances: dict[str, Allowance] = field(default_factory=dict)
    charges: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    events: list[NotedEvent] = field(default_factory=list)
    file_events: list[FileEvent] = field(default_factory=list)
    pending_deletion: list[tuple[str, str, int]] = field(default_factory=list)
    jobs: list[NewJob] = field(default_factory=list)
    measured: list[tuple[MetricBuffer, Labels]] = field(default_factory=list)

    def add(self, file: File, sign: int) -> None:
        """Add a file to the tenant's usage (`sign` 1), or subtract the file (`sign` -1)."""
        charges = self.charges[file.tenant]
        charges["bytes"] += sign * file.size
        charges["files"] += sign

    def allowance(self, connection: Connection, tenant: str) -> Allowance:
        """Return the tenant's usage and quota; on PostgreSQL, the step that locks has read them."""
        known = self.allowances.get(tenant)
        if known is None:
            known = allowance(connection, tenant, self.quota, lock=False)
            self.allowances[tenant] = known
        return known

    def event(self, kind: str, file: File, at: int) -> None:
        """Record an event of a file."""
        self._event(kind, file, at, file)

    def moved(self, file: File, source: FileAddress, at: int, *, kind: str = "file.moved") -> None:
        """Record that a file moved from the address `source`."""
        data = {**msgspec.structs.asdict(file), "moved_from": source}
        self._event(kind, file, at, data)

    def _event(self, kind: str, file: File, at: int, data: object) -> None:
        text = msgspec.json.encode(data).decode()
        self.events.append((file.tenant, kind, at, text, now_microseconds()))
        self.file_events.append((kind, file))

    def mark_pending_deletion(self, file: File, at: int) -> None:
        """Record that a file's bytes are no longer needed, and subtract the file from the usage."""
        self.add(file, -1)
        self.pending_deletion.append((file.blob, file.tenant, at))

    def close(self, connection: Connection) -> None:
        """Write all collected rows."""
        for tenant, charges in sorted(self.charges.items()):
            if not any(charges.values()):
                # All changes were refused, or a file replaced another file of the same size.
                continue
            self._warn(tenant, charges)
            connection.execute(
                "INSERT INTO usage (tenant, bytes, files) VALUES (?, ?, ?) "
                "ON CONFLICT (tenant) DO UPDATE SET "
                "bytes = usage.bytes + excluded.bytes, files = usage.files + excluded.files",
                (tenant, charges["bytes"], charges["files"]),
            )
        if self.pending_deletion:
            connection.execute_many(
                "INSERT INTO doomed (blob, tenant, doomed_at) VALUES (?, ?, ?)",
                self.pending_deletion,
            )
        if self.jobs:
            insert_jobs(connection, self.dialect, self.jobs)
        if self.events:
            insert_events(connection, self.dialect, self.events)

    def _warn(self, tenant: str, charges: Counter[str]) -> None:
        known = self.allowances.get(tenant)
        # A change that only reduces the usage reads no allowance, and cannot cross a threshold
        # upwards.
        warning = known and known.warning(charges, self.quota.warning_percent)
        if warning:
            data = msgspec.json.encode(warning).decode()
            noted = now_microseconds()
            self.events.append((tenant, "quota.warning", now_milliseconds(), data, noted))


# A function that changes rows in a transaction that it may share with other changes.
# `GroupCommit.run` returns its result.
Change = Callable[[Connection, UnitOfWork], Any]
