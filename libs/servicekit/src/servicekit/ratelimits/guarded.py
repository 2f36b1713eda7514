"""A storage for counters that counts in the process while the shared storage is down.

Without the shared storage, the rate limits stay in force with counters of the process, and cause no
errors, since a failure of Redis must not stop uploads. A metric counts every use of the process's
counters. After a failure the shared storage is not used for some seconds, so that a storage that
does not respond costs one timeout instead of one for each request.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar, cast

from limits.storage import MemoryStorage, Storage, storage_from_string

from servicekit.limit_counts import fallbacks

log = logging.getLogger(__name__)
T = TypeVar("T")

PAUSE_SECONDS = 5.0
_REDIS_TIMEOUT_SECONDS = 0.2


def open_storage(url: str) -> Storage:
    """Open a storage by its URL; for Redis, with short timeouts."""
    waits = ("socket_timeout", "socket_connect_timeout") if url.startswith("redis") else ()
    options: dict[str, float | str | bool] = dict.fromkeys(waits, _REDIS_TIMEOUT_SECONDS)
    return cast(Storage, storage_from_string(url, **options))


class GuardedStorage(Storage):
    """A storage that wraps the shared storage `inner`; its own URL is `guarded://`."""

    STORAGE_SCHEME = ["guarded"]  # noqa: RUF012 -- the base class declares it this way

    def __init__(
        self,
        uri: str | None = None,
        wrap_exceptions: bool = False,  # noqa: FBT001, FBT002 -- the base class has it so
        *,
        inner: str = "memory://",
    ) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self._inner = open_storage(inner)
        self._own = MemoryStorage()
        self._paused_until = 0.0

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """Return the exceptions of the shared storage; the base class requires this property."""
        return self._inner.base_exceptions

    def _guard(self, call: Callable[[Storage], T]) -> T:
        if time.monotonic() >= self._paused_until:
            try:
                return call(self._inner)
            except Exception as error:  # noqa: BLE001 -- each storage raises different exceptions
                self._paused_until = time.monotonic() + PAUSE_SECONDS
                log.warning(
                    "the rate limit storage failed, the process uses its own counters: %s", error
                )
        fallbacks.note(((), 1))
        return call(self._own)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to the counter; return its new value."""
        return self._guard(lambda storage: storage.incr(key, expiry, amount))

    def get(self, key: str) -> int:
        """Return the counter's value."""
        return self._guard(lambda storage: storage.get(key))

    def get_expiry(self, key: str) -> float:
        """Return the time when the counter's window ends, in unix seconds."""
        return self._guard(lambda storage: storage.get_expiry(key))

    def check(self) -> bool:
        """Tell whether the shared storage responds."""
        return self._inner.check()

    def reset(self) -> int | None:
        """Delete all counters."""
        return self._guard(lambda storage: storage.reset())

    def clear(self, key: str) -> None:
        """Delete one counter."""
        self._guard(lambda storage: storage.clear(key))
