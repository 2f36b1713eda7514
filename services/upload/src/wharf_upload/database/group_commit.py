"""Group commit: many small uploads share one durable transaction.

The thread that arrives first leads. The leader takes all waiting changes, runs them in one
transaction, commits, and wakes the other threads. Changes that arrive during the commit form the
next group. No thread is reserved for this work. If other threads have announced uploads, the leader
waits briefly for these uploads (`commit_batcher`); otherwise it does not wait.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from servicekit.database import Connection, Database, DatabaseUnavailable
from servicekit.metric_buffers import MetricBuffer
from wharf_upload.database.allowances import allowance
from wharf_upload.database.commit_batcher import CommitBatcher
from wharf_upload.database.row_counts import KeyCounts, Places
from wharf_upload.database.surplus import Surplus, drop_ended_uploads, drop_events
from wharf_upload.database.unit_of_work import Change, FileEvent, UnitOfWork
from wharf_upload.domain.files import File
from wharf_upload.domain.quotas import Quota
from wharf_upload.domain.refusals import Refused

group_sizes = MetricBuffer()
"""The number of changes in each transaction, for the metrics."""
MAX_GROUP = 64
# The announced uploads either need a few hundred microseconds more, or wait for an fsync that takes
# longer than an upload should wait.
_PATIENCE_SECONDS = 0.002


class BeforeCommit(Protocol):
    """A function called before a commit, with the blobs (tenant, blob) of the group."""

    def __call__(self, blobs: list[tuple[str, str]]) -> None:
        """Make the blobs' names durable; raise an error to refuse the whole group."""


class AfterCommit(Protocol):
    """A function called for each event of a file, in the thread that requested the change."""

    def __call__(self, tenant: str, kind: str, file: File) -> None:
        """Notify the receivers of the event; must not raise."""


class HasEvents(Protocol):
    """A function called after a commit for each tenant with new events.

    The function never raises or waits.
    """

    def __call__(self, tenant: str) -> None:
        """Take note that the tenant has new events."""


@dataclass(eq=False, slots=True)
class _Member:
    tenant: str
    change: Change
    blobs: list[tuple[str, str]]
    # Locked until the result is available. A plain lock wakes a thread faster than an Event.
    done: threading.Lock = field(default_factory=threading.Lock)
    finished: bool = False
    result: Any = None
    error: BaseException | None = None
    file_events: list[FileEvent] = field(default_factory=list)


class GroupCommit:
    """Runs changes in shared transactions. Each process has one instance."""

    def __init__(
        self,
        database: Database,
        before_commit: BeforeCommit | None = None,
        after_commit: AfterCommit | None = None,
        quota: Quota | None = None,
        has_events: HasEvents | None = None,
    ) -> None:
        self._database, self._quota = database, quota or Quota()
        self._before_commit, self._after_commit = before_commit, after_commit
        self._has_events = has_events
        rows = self._quota.rows
        self.events = Surplus(database, rows.events, drop_events)
        self.ended_uploads = Surplus(database, rows.idempotency_keys, drop_ended_uploads)
        self._keys = KeyCounts(rows)
        self.links = Places("links", rows.links)
        self.batcher = CommitBatcher(_PATIENCE_SECONDS)
        self._waiting: deque[_Member] = deque()
        self._lock = threading.Lock()
        self._led = False

    def run(self, tenant: str, change: Change, blobs: list[tuple[str, str]] | None = None) -> Any:
        """Run a change in a shared transaction; return its result after the durable commit.

        `blobs` are the blobs (tenant, blob) that the change names. Raises the refusal of the
        change, or the error of the commit.
        """
        member = _Member(tenant, change, blobs or [])
        member.done.acquire()
        with self._lock:
            self._waiting.append(member)
            lead = not self._led
            self._led = True
        self.batcher.arrived()
        if not lead:
            # The wait is bounded: statements and waits for the database's lock have their own
            # timeouts.
            member.done.acquire()
        if not member.finished:
            # This thread is the first one, or the leader of the previous group woke it to lead the
            # next group.
            self._lead(member)
        if member.file_events:
            self.events.note(tenant, len(member.file_events))
        if self._after_commit is not None:
            for kind, file in member.file_events:
                self._after_commit(file.tenant, kind, file)
        if member.error is not None:
            raise member.error
        return member.result

    def _lead(self, own: _Member) -> None:
        self.batcher.wait()
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(MAX_GROUP, len(self._waiting)))]
        group_sizes.note(((), len(group)))
        try:
            self._commit(group)
        finally:
            with self._lock:
                successor = self._waiting[0] if self._waiting else None
                if successor is None:
                    self._led = False
            for member in group:
                if member is not own:
                    member.done.release()
            if successor is not None:
                successor.done.release()

    def _commit(self, group: list[_Member]) -> None:
        blobs = [blob for member in group for blob in member.blobs]
        try:
            if self._before_commit is not None and blobs:
                self._before_commit(blobs)
        except BaseException as error:  # noqa: BLE001 -- each waiting thread gets it
            # Do not retry each change alone: a second fsync reports success even though the first
            # one failed and the bytes may be lost.
            _refuse(group, error)
        else:
            self._attempt(group)

    def _attempt(self, group: list[_Member]) -> None:
        try:
            tenants = self._transaction(group)
        except BaseException as error:  # noqa: BLE001 -- each waiting thread gets it
            if len(group) > 1 and not isinstance(error, DatabaseUnavailable):
                # One failing change must not fail the others: run each change in its own
                # transaction.
                for member in group:
                    self._attempt([member])
                return
            _refuse(group, error)
        else:
            if self._has_events is not None:
                for tenant in tenants:
                    self._has_events(tenant)

    def _transaction(self, group: list[_Member]) -> set[str]:
        """Commit the changes of a group; return the tenants that have new events."""
        unit = UnitOfWork(self._quota, self._keys, self._database.dialect)
        with self._database.transaction() as connection:
            self._lock_tenants(connection, group, unit)
            for member in group:
                member.error = None
                known = len(unit.file_events)
                try:
                    member.result = member.change(connection, unit)
                except Refused as error:
                    member.error = error
                member.file_events = unit.file_events[known:]
            unit.close(connection)
        for buffer, labels in unit.measured:
            buffer.note((labels, 1))
        for member in group:
            member.finished = True
        return {tenant for tenant, *_ in unit.events}

    def _lock_tenants(self, connection: Connection, group: list[_Member], unit: UnitOfWork) -> None:
        """Serialize the changes of one tenant on PostgreSQL, across all processes and machines."""
        if self._database.dialect == "sqlite":
            return  # SQLite allows one writer at a time.
        for tenant in sorted({member.tenant for member in group}):
            connection.execute(
                "INSERT INTO usage (tenant, bytes, files) VALUES (?, 0, 0) "
                "ON CONFLICT (tenant) DO NOTHING",
                (tenant,),
            )
            unit.allowances[tenant] = allowance(connection, tenant, self._quota, lock=True)


def _refuse(group: list[_Member], error: BaseException) -> None:
    for member in group:
        member.error, member.finished, member.file_events = error, True, []
