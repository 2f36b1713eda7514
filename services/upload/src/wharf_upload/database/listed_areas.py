"""The areas of a bucket that a listing shows: the keys of one prefix, or of each of several.

If there are several areas, many of them may be empty, or belong to a folder that the page lists
already. One statement finds the first keys of a hundred areas, so that an empty area needs no
separate statement.
"""

from __future__ import annotations

import functools
from collections import deque
from itertools import chain
from typing import NamedTuple

from servicekit.database import Connection

# Sorts after every possible rest of a key: a key has 1024 bytes, so it contains the last code point
# at most 256 times.
LAST = "\U0010ffff" * 257
# Keys contain no NUL, so no key sorts between a key and that key with this suffix.
FIRST = "\x01"
_AT_ONCE = 100


class Area(NamedTuple):
    """The keys with a prefix. `first_key` is the first key to list, or `None` if it is unknown."""

    prefix: str
    first_key: str | None = None

    def is_passed(self, position: str) -> bool:
        """Tell whether the area has no key after a position."""
        return self.prefix + LAST <= position


class Areas:
    """Returns the areas of a listing one by one; if there are several, omits the empty ones."""

    def __init__(
        self, connection: Connection, tenant: str, bucket: str, now: int, prefixes: tuple[str, ...]
    ) -> None:
        """Take `now` in unix milliseconds, and sorted `prefixes`; none begins with another one."""
        self._connection, self._of = connection, (tenant, bucket, now)
        self._found = deque([Area(prefixes[0])] if len(prefixes) == 1 else [])
        self._left = deque(prefixes if len(prefixes) > 1 else [])

    def next(self, position: str) -> Area | None:
        """Return the next area that may have keys after a position, or `None`.

        Positions must not decrease between calls.
        """
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
        """Find the areas among the next hundred that have a key after a position."""
        prefixes = [self._left.popleft() for _ in range(min(_AT_ONCE, len(self._left)))]
        bounds = ((max(prefix, position + FIRST), prefix) for prefix in prefixes)
        tenant, bucket, now = self._of
        parameters = (tenant, bucket, LAST, now, *chain.from_iterable(bounds))
        rows = self._connection.rows(_first_keys(len(prefixes)), parameters)
        self._found.extend(sorted(Area(*row) for row in rows if row[1] is not None))


@functools.cache
def _first_keys(count: int) -> str:
    """Return SQL for the first live key of each of `count` areas; each area is one index search."""
    return (
        "SELECT column2, (SELECT key FROM files WHERE tenant = ? AND bucket = ? "  # noqa: S608 -- constants only
        "AND key >= column1 AND key < column2 || ? AND (expires_at IS NULL OR expires_at > ?) "
        f"ORDER BY key LIMIT 1) FROM (VALUES {', '.join(['(?, ?)'] * count)}) AS given"
    )
