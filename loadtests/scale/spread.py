"""Who has how many files, and what their keys look like: the same for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

BUCKETS = ("default", "photos", "backups")
# A year and a half of uploads, which end where the clock of Wharf's tests stands.
END_MILLISECONDS = 1_795_000_000_000
SPAN_MILLISECONDS = 550 * 86_400_000
# Files that a tenant sends one after the other before others have their turn.
_RUN_FILES = 200
_DAYS = 540
ARCHIVE, FLAT, DATED, DEEP, HASHED = "archive", "flat", "dated", "deep", "hashed"
_STYLES = (ARCHIVE, DATED, FLAT, HASHED, DEEP)


@dataclass(frozen=True)
class Tenant:
    """A tenant with `files` files whose keys follow one style."""

    name: str
    files: int
    style: str

    def bucket(self, number: int) -> str:
        """Where the tenant's file of this number lies; the archive keeps all in one bucket."""
        return BUCKETS[0] if self.style == ARCHIVE or number % 5 < 3 else BUCKETS[number % 5 - 2]

    def key(self, number: int) -> str:
        """The key of the tenant's file of this number."""
        return _KEYS[self.style](number, self.files)


@dataclass(frozen=True)
class Run:
    """Files of one tenant that came one after the other, from `at` on (unix milliseconds)."""

    at: int
    tenant: Tenant
    first: int
    last: int


def tenants(count: int, files: int) -> list[Tenant]:
    """Tenants by size, after Zipf: of 10,000 tenants the first has a tenth of all files.

    Every one has a file at least.
    """
    weights = [1 / rank for rank in range(1, count + 1)]
    scale = files / sum(weights)
    sizes = [max(1, int(weight * scale)) for weight in weights]
    sizes[0] += max(0, files - sum(sizes))
    return [
        Tenant(f"tenant-{rank:05}", size, _STYLES[rank % len(_STYLES)])
        for rank, size in enumerate(sizes)
    ]


def runs(everybody: list[Tenant], random: Random) -> list[Run]:
    """In which order the files came: each tenant's in turn, all tenants mixed."""
    found = []
    for tenant in everybody:
        starts = range(0, tenant.files, _RUN_FILES)
        times = sorted(random.random() for _ in starts)
        for start, time in zip(starts, times, strict=True):
            at = END_MILLISECONDS - SPAN_MILLISECONDS + int(time * SPAN_MILLISECONDS)
            found.append(Run(at, tenant, start, min(start + _RUN_FILES, tenant.files)))
    found.sort(key=lambda run: (run.at, run.tenant.name))
    return found


def numbers(order: list[Run]) -> Iterator[tuple[Run, int]]:
    """All files in the order in which they came."""
    for run in order:
        for number in range(run.first, run.last):
            yield run, number


def _archive(number: int, total: int) -> str:
    """One folder with most of a million files, a tree of days, and files before and after."""
    part = number % 10
    if part < 7:
        return f"archive/{number:09}.tar.gz"
    if part == 7:
        return f"days/{_day(number, total)}/{number:09}.log"
    return f"{'Report' if part == 8 else 'summary'} {number:09}.pdf"


def _flat(number: int, _: int) -> str:
    return f"IMG_{number:08}.jpg"


def _dated(number: int, total: int) -> str:
    return f"{_day(number, total)}/scan-{number:07}.pdf"


def _day(number: int, total: int) -> str:
    day = number * _DAYS // total
    return f"{2025 + day // 360}/{day // 30 % 12 + 1:02}/{day % 30 + 1:02}"


def _deep(number: int, _: int) -> str:
    project, module = number % 97, number % 13
    return f"projects/p-{project:02}/releases/v{number % 7}/src/module-{module}/file-{number}.bin"


def _hashed(number: int, _: int) -> str:
    digest = hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest()
    return f"{digest[:2]}/{digest[2:4]}/{digest}"


_KEYS = {ARCHIVE: _archive, FLAT: _flat, DATED: _dated, DEEP: _deep, HASHED: _hashed}
