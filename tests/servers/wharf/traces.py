"""The traces of a tenant's requests. "∅" in docs/security.md means that the traces did
not change.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.wharf.instance import Wharf

# nginx removes spool files at the end of the request, which may be after the response.
PATIENCE_SECONDS = 60.0
_TABLES = ("files", "doomed", "events", "idempotency", "usage")


@dataclass(frozen=True)
class Traces:
    """The names of files below spool and staging, the tenant's blobs, and its rows."""

    spool: frozenset[str]
    staging: frozenset[str]
    blobs: frozenset[str]
    rows: frozenset[tuple[object, ...]]


def traces(wharf: Wharf, tenant: str) -> Traces:
    """Return the current traces."""
    return Traces(
        spool=_names(wharf.data / "spool"),
        staging=_names(wharf.data / "staging"),
        blobs=_names(wharf.data / "tenants" / tenant),
        rows=frozenset(rows(wharf, tenant)),
    )


def rows(wharf: Wharf, tenant: str) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a tenant in `_TABLES`. Each row begins with the name of its table."""
    address = f"file:{wharf.data}/upload/upload.db?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as database:
        for table in _TABLES:
            found = database.execute(f"SELECT * FROM {table} WHERE tenant = ?", (tenant,))
            yield from ((table, *row) for row in found)


@contextmanager
def nothing_stored(wharf: Wharf, tenant: str) -> Iterator[None]:
    """Assert that the block leaves no trace: no file, no row, no usage, no leftover."""
    # The spool file of an earlier request may not be removed yet.
    before = _awaited(wharf, tenant, lambda found: not found.spool and not found.staging)
    yield
    after = _awaited(wharf, tenant, lambda found: found == before)
    difference = _difference(before, after)
    assert not difference, f"something was left or lost: {difference}"


def _awaited(wharf: Wharf, tenant: str, condition: Callable[[Traces], bool]) -> Traces:
    """Return the traces when the condition is true, or after the timeout."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition(found := traces(wharf, tenant)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _difference(before: Traces, after: Traces) -> dict[str, object]:
    """Return the added and removed traces by kind."""
    one, other = vars(before), vars(after)
    return {kind: one[kind] ^ other[kind] for kind in one if one[kind] != other[kind]}


def _names(folder: Path) -> frozenset[str]:
    return frozenset(str(path) for path in folder.rglob("*") if not path.is_dir())
