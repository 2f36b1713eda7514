"""The parts of a bucket that a listing shows: keys with one prefix, or with one of several.

Of several many may be empty, or belong to one folder that is shown already. The first keys of a
hundred are found by one statement, so that nothing is asked of an empty one.
"""

from __future__ import annotations

import functools
from collections import deque
from itertools import chain
from typing import NamedTuple

from servicekit.database import Connection

# Sorts after everything that can follow a prefix: a key of 1024 bytes has no more of the last code
# point than 256.
LAST = "\U0010ffff" * 257
# No key has a NUL: nothing sorts between a key and the same with this behind it.
FIRST = "\x01"
_AT_ONCE = 100


class Area(NamedTuple):
    """The keys with a prefix. `first_key` is the first one to list, `None` where nobody asked."""

    prefix: str
    first_key: str | None = None

    def is_passed(self, position: str) -> bool:
        """Tell whether no key of the area is after a position."""
        return self.prefix + LAST <= position


class Areas:
    """Gives one area after the other, those with something to list."""

    def __init__(
        self, connection: Connection, tenant: str, bucket: str, now: int, prefixes: tuple[str, ...]
    ) -> None:
        """`prefixes` are in order, and none begins with another one; `now` in unix milliseconds."""
        self._connection, self._of = connection, (tenant, bucket, now)
        self._found = deque([Area(prefixes[0])] if len(prefixes) == 1 else [])
        self._left = deque(prefixes if len(prefixes) > 1 else [])

    def next(self, position: str) -> Area | None:
        """Return the next area with keys after a position, which never goes back."""
        while True:
            while self._found:
                area = self._found.popleft()
                if not area.is_passed(position):
                    return area
            while self._left and Area(self._left[0]).is_passed(position):
                self._left.popleft()
            if not self._left:
                return None
            self._look(position)

    def _look(self, position: str) -> None:
        """Find which of the next areas have a key after a position."""
        prefixes = [self._left.popleft() for _ in range(min(_AT_ONCE, len(self._left)))]
        bounds = ((max(prefix, position + FIRST), prefix) for prefix in prefixes)
        tenant, bucket, now = self._of
        parameters = (tenant, bucket, LAST, now, *chain.from_iterable(bounds))
        rows = self._connection.rows(_first_keys(len(prefixes)), parameters)
        self._found.extend(sorted(Area(*row) for row in rows if row[1] is not None))


@functools.cache
def _first_keys(count: int) -> str:
    """Ask for the first living key of each of so many areas; each seeks in the index."""
    return (
        "SELECT column2, (SELECT key FROM files WHERE tenant = ? AND bucket = ? "  # noqa: S608 -- constants only
        "AND key >= column1 AND key < column2 || ? AND (expires_at IS NULL OR expires_at > ?) "
        f"ORDER BY key LIMIT 1) FROM (VALUES {', '.join(['(?, ?)'] * count)}) AS given"
    )
