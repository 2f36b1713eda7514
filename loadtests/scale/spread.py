"""The tenants, and the keys and upload times of their files; only the times depend on the seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

BUCKETS = ("default", "photos", "backups")
# The uploads take a year and a half, and end at the time of the tests' clock.
END_MILLISECONDS = 1_795_000_000_000
SPAN_MILLISECONDS = 550 * 86_400_000
# The number of files that a tenant uploads in a run.
_RUN_FILES = 200
_DAYS = 540
ARCHIVE, FLAT, DATED, DEEP, HASHED = "archive", "flat", "dated", "deep", "hashed"
_STYLES = (ARCHIVE, DATED, FLAT, HASHED, DEEP)


@dataclass(frozen=True)
class Tenant:
    """A tenant with `files` files, whose keys have one style."""

    name: str
    files: int
    style: str

    def bucket(self, number: int) -> str:
        """Return the bucket of a file by its number. The archive has only one bucket."""
        return BUCKETS[0] if self.style == ARCHIVE or number % 5 < 3 else BUCKETS[number % 5 - 2]

    def key(self, number: int) -> str:
        """Return the key of a file by its number."""
        return _KEYS[self.style](number, self.files)


@dataclass(frozen=True)
class Run:
    """Consecutive uploads of one tenant, beginning at `at` (unix milliseconds)."""

    at: int
    tenant: Tenant
    first: int
    last: int


def tenants(count: int, files: int) -> list[Tenant]:
    """Return tenants with sizes by Zipf's law: of 10,000 tenants the first has 10 % of the files.

    Each tenant has at least one file.
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
    """Return the runs of all tenants in the order of their times."""
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
    """Yield the run and the number of each file, run after run."""
    for run in order:
        for number in range(run.first, run.last):
            yield run, number


def _archive(number: int, total: int) -> str:
    """Return a key: most files are in one large folder, others in a tree of days or around it."""
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
