"""A storage that outlives its back-end: counts in the process while the shared one is down.

Rate limits fail open to a per-process count, never to "no limit" and never to an error: losing
Redis must not stop uploads. Every fall-back is counted in a metric. After a failure the back-end
is left alone for a few seconds, so that a black-holed one costs one time-out, not one a request.
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
    """Open a storage by its URL; no request waits long for a Redis that does not answer."""
    waits = ("socket_timeout", "socket_connect_timeout") if url.startswith("redis") else ()
    options: dict[str, float | str | bool] = dict.fromkeys(waits, _REDIS_TIMEOUT_SECONDS)
    return cast(Storage, storage_from_string(url, **options))


class GuardedStorage(Storage):
    """Wraps the storage named by the option `inner`; its own URL is `guarded://`."""

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
        """Nothing gets out of here, but the base class asks."""
        return self._inner.base_exceptions

    def _guard(self, call: Callable[[Storage], T]) -> T:
        if time.monotonic() >= self._paused_until:
            try:
                return call(self._inner)
            except Exception as error:  # noqa: BLE001 -- each back-end has exceptions of its own
                self._paused_until = time.monotonic() + PAUSE_SECONDS
                log.warning("rate limit storage failed, counting in the process: %s", error)
        fallbacks.note(((), 1))
        return call(self._own)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Adds to the counter; its new value."""
        return self._guard(lambda storage: storage.incr(key, expiry, amount))

    def get(self, key: str) -> int:
        """The counter's value."""
        return self._guard(lambda storage: storage.get(key))

    def get_expiry(self, key: str) -> float:
        """When the counter ends, in unix seconds."""
        return self._guard(lambda storage: storage.get_expiry(key))

    def check(self) -> bool:
        """Whether the shared storage itself answers."""
        return self._inner.check()

    def reset(self) -> int | None:
        """Forgets all counters."""
        return self._guard(lambda storage: storage.reset())

    def clear(self, key: str) -> None:
        """Forgets one counter."""
        self._guard(lambda storage: storage.clear(key))
