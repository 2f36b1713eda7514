"""A plugin that excludes objects of the whole session from garbage collection.

Pytest keeps each collected test, and imported modules stay. Without this plugin the garbage
collector takes a seventh of all CPU time of unit tests to scan these objects again and again.
"""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest

#: The number of new objects before a collection. Tests make and drop whole applications.
_YOUNGEST = 20_000


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without garbage collection, which would find little, and
    then freeze all objects.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(_YOUNGEST, *gc.get_threshold()[1:])
        gc.enable()
