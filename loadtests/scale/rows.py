"""Rows of the upload service's tables for a spread of files, in the order of their times."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from loadtests.scale.spread import BUCKETS, END_MILLISECONDS, Tenant, numbers, runs, tenants
from servicekit.database import Row

# The content of each 50th file of a tenant. Only these files are downloaded and have bytes.
CONTENT = bytes(range(256)) * 40
CONTENT_SHA256 = hashlib.sha256(CONTENT).hexdigest()
WHOLE_EVERY = 50
# The least number of rows, so that even a small database has enough rows for one operation.
_LEAST_ROWS = 300
# The endpoints of webhooks, and the name of the first one of a tenant.
ENDPOINTS, ENDPOINT = 40, "endpoint-00"
_TYPES = ("image/jpeg", "application/pdf", "application/gzip", "text/plain")
_YEAR_MILLISECONDS = 365 * 86_400_000


def identifier(at: int, random: Random) -> str:
    """Return a version 7 UUID, as `servicekit.ids` does, for a time in the past."""
    value = at << 80 | random.getrandbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return f"{value & ~(0x3 << 62) | 0x2 << 62:032x}"


@dataclass
class Generated:
    """The rows of one database. Read all of `files()` before the other rows.

    `events` is the part of the files whose events still exist. These are the newest files.
    """

    tenant_count: int
    file_count: int
    seed: int = 1
    events: float = 0.1
    everybody: list[Tenant] = field(init=False)
    _usage: Counter[tuple[str, str]] = field(init=False, default_factory=Counter)
    _deeds: list[Row] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.everybody = tenants(self.tenant_count, self.file_count)
        # Each tenant has at least one file, so there may be a few more than `file_count`.
        self.file_count = sum(tenant.files for tenant in self.everybody)

    def files(self) -> Iterator[Row]:
        """Yield rows of `files`, in the column order of `file_rows.py`; one in twenty expires."""
        random = Random(self.seed)
        first_event = int(self.file_count * (1 - self.events))
        order = numbers(runs(self.everybody, random))
        for done, (run, number) in enumerate(order):
            tenant, at = run.tenant, run.at + (number - run.first) * 40
            blob, bucket, key = identifier(at, random), tenant.bucket(number), tenant.key(number)
            whole = number % WHOLE_EVERY == 0
            size = len(CONTENT) if whole else random.getrandbits(20) + 1
            sha256 = CONTENT_SHA256 if whole else f"{random.getrandbits(256):064x}"
            media_type = _TYPES[number % len(_TYPES)]
            expires_at = (
                END_MILLISECONDS + random.randrange(_YEAR_MILLISECONDS, 9 * _YEAR_MILLISECONDS)
                if number % 20 == 7
                else None
            )
            self._usage[tenant.name, "bytes"] += size
            metadata = '{"source": "scanner-3"}' if number % 8 == 3 else "{}"
            name = key.rpartition("/")[2]
            row = (
                *(blob, tenant.name, bucket, key, blob, size, sha256, media_type, media_type),
                *(name, "client-1", "available", metadata, at, expires_at, 0),
            )
            if done >= first_event:
                self._deeds.append((tenant.name, "file.created", at, _event(row)))
            yield row

    def usage(self) -> Iterator[Row]:
        """Yield rows of `usage`: tenant, bytes, files."""
        for tenant in self.everybody:
            yield tenant.name, self._usage[tenant.name, "bytes"], tenant.files

    def buckets(self) -> Iterator[Row]:
        """Yield rows of `buckets`: tenant, name, policy, created_at."""
        at = END_MILLISECONDS - _YEAR_MILLISECONDS
        for tenant in self.everybody:
            for name in BUCKETS[1:]:
                yield tenant.name, name, '{"max_file_bytes":1000000000}', at

    def limits(self) -> Iterator[Row]:
        """Yield rows of `limits` for every second tenant: the tenant and its limits."""
        for tenant in self.everybody[::2]:
            yield tenant.name, 1 << 60, 1 << 40, 1_000_000_000

    def link_keys(self) -> Iterator[Row]:
        """Yield rows of `link_keys` for every second tenant: tenant, secret, created_at."""
        random = Random(self.seed + 3)
        for tenant in self.everybody[::2]:
            yield tenant.name, f"{random.getrandbits(256):064x}", END_MILLISECONDS

    def links(self) -> Iterator[Row]:
        """Yield rows of `links`, with the columns of `database/links.py`.

        At least half of the links belong to one tenant.
        """
        random = Random(self.seed + 6)
        for number in range(max(4 * _LEAST_ROWS, self.file_count // 100)):
            tenant = self.everybody[number * 7919 % self.tenant_count if number % 2 else 0]
            at, maker = END_MILLISECONDS + number, f"client-{number // 8 % 4}"
            yield (
                *(tenant.name, identifier(at, random), tenant.bucket(number), tenant.key(number)),
                *(0, "inline", "", f'["{maker}",0,true,[],"",true]'),
                *(f"{random.getrandbits(128):032x}", at, at + _YEAR_MILLISECONDS, maker),
            )

    def cors_origins(self) -> Iterator[Row]:
        """Yield rows of `cors_origins`, one for each tenant: bucket, origin, tenant."""
        for tenant in self.everybody:
            yield BUCKETS[1], f"https://{tenant.name}.example", tenant.name

    def ticket_uses(self) -> Iterator[Row]:
        """Yield rows of `ticket_uses` for some hours: tenant, ticket, uses, expires_at."""
        random = Random(self.seed + 4)
        for number in range(max(_LEAST_ROWS, self.file_count // 100)):
            tenant = self.everybody[number * 7919 % self.tenant_count].name
            at = END_MILLISECONDS + _YEAR_MILLISECONDS + number
            yield tenant, f"{random.getrandbits(128):032x}", 1, at

    def event_rows(self) -> Iterator[Row]:
        """Yield rows of `events`: number (from the time), tenant, kind, at, data."""
        first = 1000 * (END_MILLISECONDS - _YEAR_MILLISECONDS)
        for number, deed in enumerate(self._deeds, first):
            yield number, *deed

    def jobs(self) -> Iterator[Row]:
        """Yield rows of `jobs`: one share has nearly all that wait, 20 shares have one each."""
        random = Random(self.seed + 7)
        for number in range(max(4 * _LEAST_ROWS, self.file_count // 3)):
            share = f"share-{max(0, 20 - number):02}"
            tenant = self.everybody[number % self.tenant_count if number < 20 else 0].name
            at = END_MILLISECONDS - _YEAR_MILLISECONDS + number
            yield (
                *(identifier(at, random), "webhook", share, tenant, f"{number}", at, 0, 0, at, ""),
                None,
            )

    def dead_jobs(self) -> Iterator[Row]:
        """Yield rows of `jobs_dead`, half of them of one tenant."""
        random = Random(self.seed + 8)
        for number in range(max(4 * _LEAST_ROWS, self.file_count // 20)):
            tenant = self.everybody[number * 7919 % self.tenant_count if number % 2 else 0].name
            at = END_MILLISECONDS + number
            yield (
                *(identifier(at, random), "webhook", tenant, tenant, f"{number}", at, 9, 9, at),
                *("why", at),
            )

    def endpoints(self) -> Iterator[Row]:
        """Yield rows of `endpoints`: the same number for any number of files."""
        position = 1000 * END_MILLISECONDS + 1_000_000_000
        for number in range(ENDPOINTS):
            tenant = self.everybody[number % 5].name
            name = ENDPOINT if number < 5 else f"endpoint-{number:02}"
            yield (
                *(tenant, name, f"https://hooks.example/{number}", "", "{}", "[]", 0, "active"),
                *("", position, 0, None, 4, None, None, END_MILLISECONDS),
            )

    def deliveries(self) -> Iterator[Row]:
        """Yield rows of `deliveries`: nearly all of one endpoint, and one in ten has failed."""
        for number in range(max(4 * _LEAST_ROWS, self.file_count // 3)):
            tenant = self.everybody[min(number, 4) if number < 5 else 0].name
            at = END_MILLISECONDS + number
            state = "failed" if number % 10 == 3 else "done"
            yield (
                *(tenant, ENDPOINT, 1000 * END_MILLISECONDS + number, "file.created", state),
                *(1, 204, 12, "", "", at, at, None),
            )

    def doomed(self) -> Iterator[Row]:
        """Yield rows of `doomed` for an hour of deletions: blob, tenant, doomed_at."""
        random = Random(self.seed + 1)
        for number in range(max(_LEAST_ROWS, self.file_count // 1000)):
            at = END_MILLISECONDS + _YEAR_MILLISECONDS + number
            yield identifier(at, random), self.everybody[number % self.tenant_count].name, at

    def idempotency(self) -> Iterator[Row]:
        """Yield rows of `idempotency` for a day's requests."""
        random = Random(self.seed + 2)
        for number in range(max(_LEAST_ROWS, self.file_count // 100)):
            tenant = self.everybody[number * 7919 % self.tenant_count].name
            at = END_MILLISECONDS + _YEAR_MILLISECONDS + number
            digest = f"{random.getrandbits(256):064x}"
            yield tenant, "client-1", f"key-{number}", digest, '{"files":[],"created":[]}', at

    def uploads(self) -> Iterator[Row]:
        """Yield rows of `uploads`: half belong to the largest tenant, one in four is unfinished."""
        random = Random(self.seed + 5)
        for number in range(max(4 * _LEAST_ROWS, self.file_count // 20)):
            tenant = self.everybody[number * 7919 % self.tenant_count if number % 2 else 0].name
            at = END_MILLISECONDS + number
            file = None if number // 2 % 4 == 0 else "{}"
            yield (
                *(identifier(at, random), tenant, f"client-{number // 8 % 4}", "default"),
                *(f"uploads/{number}", 1_000_000, "", "{}", None, 1_000_000, file),
                *(at, at + _YEAR_MILLISECONDS, ""),
            )


def _event(row: Row) -> str:
    """Return a file as JSON, in the form that an event has."""
    blob, tenant, bucket, key, _, size, sha256, media_type, declared, name, owner, _, _, at, *_ = (
        row
    )
    # No value contains a character that JSON escapes.
    return (
        f'{{"id":"{blob}","tenant":"{tenant}","bucket":"{bucket}","key":"{key}","blob":"{blob}",'
        f'"size":{size},"sha256":"{sha256}","media_type":"{media_type}","declared_type":'
        f'"{declared}","filename":"{name}","owner":"{owner}","state":"available","metadata":{{}},'
        f'"created_at":{at},"expires_at":null}}'
    )
