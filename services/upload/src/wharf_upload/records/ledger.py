"""What changes of one transaction leave to be written at its end, once for all of them."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import msgspec

from servicekit.database import Connection
from wharf_upload.records.base import File
from wharf_upload.records.quotas import Allowance, Quota, allowance

# The kind of an event, and the file as it is, or as it was when it is gone.
Happening = tuple[str, File]


@dataclass
class Ledger:
    """What a transaction gathers and writes at its end, once for all its changes."""

    quota: Quota = field(default_factory=Quota)
    allowances: dict[str, Allowance] = field(default_factory=dict)
    charges: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    events: list[tuple[str, str, int, str]] = field(default_factory=list)
    happened: list[Happening] = field(default_factory=list)
    doomed: list[tuple[str, str, int]] = field(default_factory=list)

    def add(self, file: File, sign: int) -> None:
        """Charges (`sign` 1) or gives back (-1) a file."""
        charges = self.charges[file.tenant]
        charges["bytes"] += sign * file.size
        charges["files"] += sign

    def allowance(self, connection: Connection, tenant: str) -> Allowance:
        """What the tenant has and may have; on PostgreSQL it was read when the row was locked."""
        known = self.allowances.get(tenant)
        if known is None:
            known = allowance(connection, tenant, self.quota, lock=False)
            self.allowances[tenant] = known
        return known

    def event(self, kind: str, file: File, at: int) -> None:
        """Notes what happened to a file."""
        self.events.append((file.tenant, kind, at, msgspec.json.encode(file).decode()))
        self.happened.append((kind, file))

    def doom(self, file: File, at: int) -> None:
        """The file's bytes are no longer needed."""
        self.add(file, -1)
        self.doomed.append((file.blob, file.tenant, at))

    def close(self, connection: Connection) -> None:
        """Writes it all."""
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
        if self.doomed:
            connection.execute_many(
                "INSERT INTO doomed (blob, tenant, doomed_at) VALUES (?, ?, ?)", self.doomed
            )
        if self.events:
            connection.execute_many(
                "INSERT INTO events (tenant, kind, at, data) VALUES (?, ?, ?, ?)", self.events
            )

    def _warn(self, tenant: str, charges: Counter[str]) -> None:
        known = self.allowances.get(tenant)
        # Who only gives back was not asked for, and crosses nothing.
        warning = known and known.warning(charges, self.quota.warning_percent)
        if warning:
            self.events.append((tenant, "quota.warning", now_milliseconds(), warning))


def now_milliseconds() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000
