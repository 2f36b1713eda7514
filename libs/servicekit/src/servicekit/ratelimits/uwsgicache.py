"""Counters for `limits` in uWSGI's shared cache: one count for all workers, without Redis.

URL: `uwsgi-cache://<name of the cache>`; the cache is declared in the service's uwsgi.ini. Each
window of a counter is an item of its own, raised by the cache's atomic increment, so that N workers
never give N times the limit. (Reading and writing under uWSGI's lock was measured to halve the
throughput of the whole service: the lock is held while Python waits for its own.)
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from limits.storage import Storage


class CacheFull(Exception):
    """The cache took no new counter; the caller decides whether to admit."""


class UwsgiCacheStorage(Storage):
    """Fixed-window counters in a uWSGI cache; usable inside uWSGI only."""

    STORAGE_SCHEME = ["uwsgi-cache"]  # noqa: RUF012 -- the base class declares it this way

    def __init__(
        self,
        uri: str,
        wrap_exceptions: bool = False,  # noqa: FBT001, FBT002 -- the base class has it so
        **_: object,
    ) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        # uWSGI provides this module, only inside its own processes.
        import uwsgi

        self._uwsgi = uwsgi
        self._cache = urlsplit(uri).netloc

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """What a failing cache raises."""
        return (CacheFull, ValueError)

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Adds to the counter of the present window of `expiry` seconds; the count after that.

        With hits at the same moment the count may already hold theirs: the limit is never passed,
        and the last places of a window may stay empty.
        """
        uwsgi, cache, period = self._uwsgi, self._cache, int(expiry)
        item = f"{key}@{int(time.time() // period)}"
        if not uwsgi.cache_inc(item, amount, period + 1, cache):
            raise CacheFull(f"the uWSGI cache {cache!r} is full")
        count: int = uwsgi.cache_num(item, cache)
        # The first of its window leaves word of the period for `get` and `get_expiry`. Of several
        # at one moment none may see itself as the first: whoever finds no word leaves it, too.
        word = f"{key}@period"
        if count <= amount or not uwsgi.cache_exists(word, cache):
            uwsgi.cache_update(word, str(period).encode(), 2 * period + 1, cache)
        return count

    def _period(self, key: str) -> int | None:
        raw = self._uwsgi.cache_get(f"{key}@period", self._cache)
        return None if raw is None else int(raw)

    def get(self, key: str) -> int:
        """The counter's value, 0 when there is none."""
        period = self._period(key)
        if period is None:
            return 0
        item = f"{key}@{int(time.time() // period)}"
        return int(self._uwsgi.cache_num(item, self._cache) or 0)

    def get_expiry(self, key: str) -> float:
        """When the present window ends, in unix seconds; now when there is no counter."""
        now, period = time.time(), self._period(key)
        return now if period is None else (now // period + 1) * period

    def check(self) -> bool:
        """Whether the cache can be reached."""
        try:
            self._uwsgi.cache_exists("-", self._cache)
        except Exception:  # noqa: BLE001 -- uWSGI raises whatever it likes; the answer is "no"
            return False
        return True

    def reset(self) -> int | None:
        """Forgets all counters."""
        self._uwsgi.cache_clear(self._cache)
        return None

    def clear(self, key: str) -> None:
        """Forgets one counter."""
        period = self._period(key)
        if period is not None:
            self._uwsgi.cache_del(f"{key}@{int(time.time() // period)}", self._cache)
            self._uwsgi.cache_del(f"{key}@period", self._cache)
