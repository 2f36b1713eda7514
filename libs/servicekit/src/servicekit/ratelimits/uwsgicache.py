"""Counters for the package `limits` in uWSGI's shared cache: for all workers, without Redis.

The URL is `uwsgi-cache://<name of the cache>`; the service's uwsgi.ini declares the cache. Each
window of a counter is a separate item of the cache. The workers add to the item by the cache's
atomic increment, so N workers never allow N times the limit. (Reads and writes under uWSGI's lock
halved the measured throughput of the service: a thread has this lock while it waits for Python's.)
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from limits.storage import Storage


class CacheFull(Exception):
    """The cache has no space for a new counter; the caller decides about the request."""


class UwsgiCacheStorage(Storage):
    """Fixed-window counters in a cache of uWSGI; usable only in uWSGI's processes."""

    STORAGE_SCHEME = ["uwsgi-cache"]  # noqa: RUF012 -- the base class declares it this way

    def __init__(
        self,
        uri: str,
        wrap_exceptions: bool = False,  # noqa: FBT001, FBT002 -- the base class has it so
        **_: object,
    ) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        # The module `uwsgi` exists only in processes of uWSGI.
        import uwsgi

        self._uwsgi = uwsgi
        self._cache = urlsplit(uri).netloc

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """Return the exceptions of a cache that fails."""
        return (CacheFull, ValueError)

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add to the counter of the current window of `expiry` seconds; return the new count.

        The count may include concurrent calls. So the limit is never exceeded, but the last
        requests of a window may be refused.
        """
        uwsgi, cache, period = self._uwsgi, self._cache, int(expiry)
        item = f"{key}@{int(time.time() // period)}"
        if not uwsgi.cache_inc(item, amount, period + 1, cache):
            raise CacheFull(f"the uWSGI cache {cache!r} is full")
        count: int = uwsgi.cache_num(item, cache)
        # The first call of a window stores the period for `get` and `get_expiry`. If several calls
        # run concurrently, perhaps none of them looks like the first, so a call that finds no
        # period stores it.
        word = f"{key}@period"
        if count <= amount or not uwsgi.cache_exists(word, cache):
            uwsgi.cache_update(word, str(period).encode(), 2 * period + 1, cache)
        return count

    def _period(self, key: str) -> int | None:
        raw = self._uwsgi.cache_get(f"{key}@period", self._cache)
        return None if raw is None else int(raw)

    def get(self, key: str) -> int:
        """Return the counter's value, or 0 without a counter."""
        period = self._period(key)
        if period is None:
            return 0
        item = f"{key}@{int(time.time() // period)}"
        return int(self._uwsgi.cache_num(item, self._cache) or 0)

    def get_expiry(self, key: str) -> float:
        """Return the end of the current window in unix seconds; without a counter, now."""
        now, period = time.time(), self._period(key)
        return now if period is None else (now // period + 1) * period

    def check(self) -> bool:
        """Tell whether the cache is available."""
        try:
            self._uwsgi.cache_exists("-", self._cache)
        except Exception:  # noqa: BLE001 -- uWSGI's exceptions are not documented
            return False
        return True

    def reset(self) -> int | None:
        """Delete all counters."""
        self._uwsgi.cache_clear(self._cache)
        return None

    def clear(self, key: str) -> None:
        """Delete one counter."""
        period = self._period(key)
        if period is not None:
            self._uwsgi.cache_del(f"{key}@{int(time.time() // period)}", self._cache)
            self._uwsgi.cache_del(f"{key}@period", self._cache)
