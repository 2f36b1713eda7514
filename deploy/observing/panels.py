"""What a dashboard is made of; `drawing.py` makes Grafana's JSON of it.

Queries may hold `$instance`, `$installation`, `$tenant` and `$__rate_interval`; Grafana fills them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Query:
    """PromQL and its legend (`{{label}}`, or the name of the only series)."""

    expr: str
    legend: str = "__auto"


@dataclass(frozen=True)
class Panel:
    """One panel.

    `unit` is one of Grafana's ids: s, bytes, Bps, reqps, percentunit, short. `kind` is one of
    `timeseries`, `stat`, `bargauge`, `table`; all but the first show the newest value alone.
    `steps` are values from which the colour changes to yellow and to red (one value: red); `below`
    turns them round. `columns` are titles and units of a table's queries. `to_tenant`: a click on
    a tenant shows it alone.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    steps: tuple[float, ...] = ()
    below: bool = False
    stacked: bool = False
    bounds: tuple[float | None, float | None] = (0, None)
    columns: tuple[tuple[str, str], ...] = ()
    to_tenant: bool = False

    @property
    def instant(self) -> bool:
        """Whether only the newest value is asked for."""
        return self.kind != "timeseries"


def graph(title: str, description: str, unit: str, *queries: Query, **options: Any) -> Panel:
    """Lines over time."""
    return Panel(title, description, unit, queries, **options)


def stat(title: str, description: str, unit: str, *queries: Query, **options: Any) -> Panel:
    """One large number for each series."""
    return Panel(title, description, unit, queries, kind="stat", **options)


def bars(title: str, description: str, unit: str, *queries: Query, **options: Any) -> Panel:
    """A bar for each series."""
    return Panel(title, description, unit, queries, kind="bargauge", **options)


def table(title: str, description: str, unit: str, *queries: Query, **options: Any) -> Panel:
    """A line for each set of labels, a column for each query; sorted by the first column."""
    return Panel(title, description, unit, queries, kind="table", **options)


@dataclass(frozen=True)
class Row:
    """A headline with the panels below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A choice at the top of the page, made of the values of a label; All is everything."""

    name: str
    label: str
    query: str


@dataclass(frozen=True)
class Dashboard:
    """A page; `uid` is a part of its address, and links depend on it."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = field(default=())
