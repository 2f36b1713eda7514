"""The delays that `make bench-webhooks` computes from the requests of a receiver."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.webhooks.delays import delays, quantile, ratio_of_p99, table

# 2026-11-28T13:20:00Z in seconds.
NOON = 1795872000.0


def arrival(path: str, name: str, seconds: float) -> Any:
    """Return a request that arrived some seconds after the time of its event."""
    event = {"time": "2026-11-28T13:20:00.250Z"}
    return SimpleNamespace(path=path, id=name, at=NOON + 0.25 + seconds, event=event)


def test_delays() -> None:
    """A delay is the time from the event to its first arrival at an endpoint, in milliseconds."""
    requests = [
        arrival("/1", "a", 0.5),
        arrival("/2", "a", 1.0),
        arrival("/1", "a", 5.0),
        arrival("/1", "b", 0.25),
    ]
    assert delays(requests) == pytest.approx([500, 1000, 250])


def test_quantiles() -> None:
    """A quantile is one of the values, and the quantile 1 is the largest one."""
    values = [float(number) for number in range(100, 0, -1)]
    assert [quantile(values, part) for part in (0.5, 0.99, 1.0)] == [51, 100, 100]
    assert quantile([7.0], 0.99) == 7


def test_the_table() -> None:
    """The table has both measurements and the ratio of each quantile."""
    alone, beside = [100.0, 200.0], [100.0, 300.0]
    assert ratio_of_p99(alone, beside) == 1.5
    assert table(alone, beside).splitlines()[2:] == [
        "| p50 | 200 | 300 | 1.50 |",
        "| p99 | 200 | 300 | 1.50 |",
        "| most | 200 | 300 | 1.50 |",
    ]
