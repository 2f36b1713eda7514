"""Token records in Redis, for consoles on several machines. Redis must not evict (`noeviction`)."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

from redis import Redis
from redis.exceptions import LockError

from wharf_console.sessions.records import RecordBusy, TokenRecord, decoded, encoded

_PREFIX = "wharf:console:tokens:"
# Longer than an answer of the API is waited for: a lock that ends sooner lets two refresh at once.
_LOCK_SECONDS = 60.0
_WAIT_SECONDS = 25.0
_POLL_SECONDS = 0.05


class RedisRecords:
    """Keeps each record under a digest of its id; it ends when it was idle for `idle_seconds`."""

    def __init__(self, client: Redis, idle_seconds: int) -> None:
        self._client, self._idle_seconds = client, idle_seconds

    def read(self, record_id: str) -> TokenRecord | None:
        """Return the record, or `None`."""
        # redis-py declares one type for its clients with and without asyncio.
        found: Any = self._client.get(_name(record_id))
        return None if found is None else decoded(found)

    def write(self, record_id: str, record: TokenRecord) -> None:
        """Keep the record."""
        self._client.set(_name(record_id), encoded(record), ex=self._idle_seconds)

    def delete(self, record_id: str) -> None:
        """Forget the record."""
        self._client.delete(_name(record_id))

    @contextlib.contextmanager
    def locked(self, record_id: str) -> Iterator[None]:
        """Hold the lock (`SET NX PX`, given back by who has it); raises `RecordBusy`."""
        lock = self._client.lock(
            _name(record_id) + ":lock",
            timeout=_LOCK_SECONDS,
            sleep=_POLL_SECONDS,
            blocking_timeout=_WAIT_SECONDS,
        )
        if not lock.acquire():
            raise RecordBusy
        try:
            yield
        finally:
            # It may have ended by itself; then it is another's by now.
            with contextlib.suppress(LockError):
                lock.release()


def _name(record_id: str) -> str:
    return _PREFIX + hashlib.sha256(record_id.encode()).hexdigest()
