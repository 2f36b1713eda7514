"""Counters of limits in uWSGI's cache, with concurrent hits."""

from __future__ import annotations

import sys
import types

import pytest

from servicekit.ratelimits.uwsgicache import UwsgiCacheStorage


class Cache:
    """A simulated cache of uWSGI. With each increment other threads make `others` more hits."""

    def __init__(self, others: int) -> None:
        self.others = others
        self.numbers: dict[str, int] = {}
        self.texts: dict[str, bytes] = {}

    def module(self) -> types.ModuleType:
        """Return a module like the module `uwsgi`, which exists only in processes of uWSGI."""
        found = types.ModuleType("uwsgi")
        for name in ("cache_inc", "cache_num", "cache_get", "cache_update", "cache_exists"):
            setattr(found, name, getattr(self, name))
        return found

    def cache_inc(self, key: str, amount: int, _expires: int, _cache: str) -> bool:
        self.numbers[key] = self.numbers.get(key, 0) + amount + self.others
        return True

    def cache_num(self, key: str, _cache: str) -> int:
        return self.numbers.get(key, 0)

    def cache_get(self, key: str, _cache: str) -> bytes | None:
        return self.texts.get(key)

    def cache_update(self, key: str, value: bytes, _expires: int, _cache: str) -> None:
        self.texts[key] = value

    def cache_exists(self, key: str, _cache: str) -> bool:
        return key in self.texts


@pytest.mark.parametrize("others", [0, 1, 20])
def test_the_first_hits_of_a_window_are_known(monkeypatch: pytest.MonkeyPatch, others: int) -> None:
    """A counter can be read after its first hit, even if other threads hit it before the read."""
    monkeypatch.setitem(sys.modules, "uwsgi", Cache(others).module())
    storage = UwsgiCacheStorage("uwsgi-cache://limits")
    assert storage.incr("key", 3600) == 1 + others
    assert storage.get("key") == 1 + others
