"""Tests of concurrent calls to a store, whose results are returned in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from wharf_upload.maintenance import side_by_side


def test_order() -> None:
    """Results have the order of the items, even if a later call ends first."""
    second = threading.Event()

    def call(item: int) -> int:
        if item == 0:
            assert second.wait(30)
        if item == 1:
            second.set()
        return item * item

    assert list(side_by_side.each(call, range(50), threads=2)) == [n * n for n in range(50)]


def test_a_few_ahead() -> None:
    """Items are read on demand, at most two per thread ahead of the results."""
    taken = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    calls = side_by_side.each(str, items(), threads=3)
    assert (next(calls), len(taken)) == ("0", 7)
    assert (next(calls), len(taken)) == ("1", 8)
    assert len(list(calls)) == 98


def test_a_call_that_fails() -> None:
    """An error of a call is raised after the results of the earlier items, and ends all calls."""
    calls = side_by_side.each(lambda item: 6 // item, [3, 2, 1, 0, 6], threads=2)
    assert [next(calls), next(calls), next(calls)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(calls)
    assert list(calls) == []


def test_no_item() -> None:
    """An empty list of items gives no results."""
    assert list(side_by_side.each(str, [])) == []
