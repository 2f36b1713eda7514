"""What changes of one transaction leave to be written at its end, once for all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from servicekit.database import Connection
from wharf_upload.database.allowances import allowance
from wharf_upload.database.event_numbers import NotedEvent, insert_events
from wharf_upload.database.row_counts import KeyCounts
from wharf_upload.domain.clock import now_microseconds, now_milliseconds
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.quotas import Allowance, Quota

# The kind of an event, and the file as it is, or as it was when it is gone.
FileEvent = tuple[str, File]


@dataclass
class UnitOfWork:
    """What a transaction gathers and writes at its end, once for all its changes."""

    quota: Quota
    keys: KeyCounts
    dialect: str
    allowances: dict[str, Allowance] = field(default_factory=dict)
    charges: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    events: list[NotedEvent] = field(default_factory=list)
    file_events: list[FileEvent] = field(default_factory=list)
    pending_deletion: list[tuple[str, str, int]] = field(default_factory=list)

    def add(self, file: File, sign: int) -> None:
        """Charge (`sign` 1) or give back (-1) a file."""
        charges = self.charges[file.tenant]
        charges["bytes"] += sign * file.size
        charges["files"] += sign

    def allowance(self, connection: Connection, tenant: str) -> Allowance:
        """Return what the tenant has and may have; on PostgreSQL the lock has read it."""
        known = self.allowances.get(tenant)
        if known is None:
            known = allowance(connection, tenant, self.quota, lock=False)
            self.allowances[tenant] = known
        return known

    def event(self, kind: str, file: File, at: int) -> None:
        """Note what happened to a file."""
        self._event(kind, file, at, file)

    def moved(self, file: File, source: FileAddress, at: int, *, kind: str = "file.moved") -> None:
        """Note that a file has come from another address."""
        data = {**msgspec.structs.asdict(file), "moved_from": source}
        self._event(kind, file, at, data)

    def _event(self, kind: str, file: File, at: int, data: object) -> None:
        text = msgspec.json.encode(data).decode()
        self.events.append((file.tenant, kind, at, text, now_microseconds()))
        self.file_events.append((kind, file))

    def mark_pending_deletion(self, file: File, at: int) -> None:
        """Note that the file's bytes are no longer needed."""
        self.add(file, -1)
        self.pending_deletion.append((file.blob, file.tenant, at))

    def close(self, connection: Connection) -> None:
        """Write all that was gathered."""
        for tenant, charges in sorted(self.charges.items()):
            if not any(charges.values()):
                continue  # refused, or replaced by as much
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
        if self.events:
            insert_events(connection, self.dialect, self.events)

    def _warn(self, tenant: str, charges: Counter[str]) -> None:
        known = self.allowances.get(tenant)
        # A change that only gives back reads no allowance, and crosses no threshold.
        warning = known and known.warning(charges, self.quota.warning_percent)
        if warning:
            data = msgspec.json.encode(warning).decode()
            noted = now_microseconds()
            self.events.append((tenant, "quota.warning", now_milliseconds(), data, noted))


# Works inside a transaction that others may share; what it returns is the result of `run`.
Change = Callable[[Connection, UnitOfWork], Any]
