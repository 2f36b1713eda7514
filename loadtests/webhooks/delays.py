"""The delays of deliveries: from the time of an event to its arrival at an endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.servers.webhook_receiver import Received


def delays(requests: Iterable[Received]) -> list[float]:
    """Return the milliseconds until the first arrival of each event at each endpoint.

    The receiver's path names the endpoint. A later arrival of the same event does not count.
    """
    found: dict[tuple[str, str], float] = {}
    for request in requests:
        at = datetime.fromisoformat(request.event["time"]).timestamp()
        found.setdefault((request.path, request.id), (request.at - at) * 1000)
    return list(found.values())


def quantile(values: Iterable[float], part: float) -> float:
    """Return a quantile of values, of which there must be at least one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def table(alone: list[float], beside: list[float]) -> str:
    """Return the quantiles of both measurements in milliseconds, and their ratios."""
    lines = [
        "| until delivery | without, ms | with a dead endpoint, ms | ratio |",
        "| --- | --- | --- | --- |",
    ]
    for name, part in (("p50", 0.5), ("p99", 0.99), ("most", 1.0)):
        both = quantile(alone, part), quantile(beside, part)
        lines.append(f"| {name} | {both[0]:.0f} | {both[1]:.0f} | {both[1] / both[0]:.2f} |")
    return "\n".join(lines)


def ratio_of_p99(alone: list[float], beside: list[float]) -> float:
    """Return the p99 with a dead endpoint, divided by the p99 without one."""
    return quantile(beside, 0.99) / quantile(alone, 0.99)
