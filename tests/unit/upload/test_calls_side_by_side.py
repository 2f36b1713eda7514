"""Calls that wait for a store go on several at a time, and come back in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from wharf_upload.maintenance import side_by_side


def test_order() -> None:
    """Results come in the order of the items, though the first call ends after the second one."""
    second = threading.Event()

    def call(item: int) -> int:
        if item == 0:
            assert second.wait(30)
        if item == 1:
            second.set()
        return item * item

    assert list(side_by_side.each(call, range(50), threads=2)) == [n * n for n in range(50)]


def test_a_few_ahead() -> None:
    """Items are taken when they are wanted: two more for each thread than have come back."""
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
    """What a call raises ends all, behind the results of the items before it."""
    calls = side_by_side.each(lambda item: 6 // item, [3, 2, 1, 0, 6], threads=2)
    assert [next(calls), next(calls), next(calls)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(calls)
    assert list(calls) == []


def test_no_item() -> None:
    """Of nothing comes nothing."""
    assert list(side_by_side.each(str, [])) == []
