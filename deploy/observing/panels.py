"""The parts of a dashboard; `drawing.py` converts them to Grafana's JSON.

Queries may contain `$instance`, `$installation`, `$tenant` and `$__rate_interval`, which Grafana
replaces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Query:
    """A query in PromQL, and its legend (`{{label}}`, or the name of the only series)."""

    expr: str
    legend: str = "__auto"


@dataclass(frozen=True)
class Panel:
    """One panel of a dashboard.

    `unit` is one of Grafana's ids: s, bytes, Bps, reqps, percentunit, short. `kind` is one of
    `timeseries`, `stat`, `bargauge`, `table`; all but the first show only the newest value.
    `steps` are values from which the colour changes to yellow and to red (one value: red); `below`
    reverses the colours. `columns` are titles and units of a table's queries. With `to_tenant`, a
    click on a tenant opens the tenants' dashboard for this tenant.
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
        """Tell whether the panel queries only the newest value."""
        return self.kind != "timeseries"


def graph(title: str, description: str, unit: str, *queries: Query, **options: Any) -> Panel:
    """Return a panel with lines over time."""
    return Panel(title, description, unit, queries, **options)


def stat(title: str, description: str, unit: str, *queries: Query, **options: Any) -> Panel:
    """Return a panel with one large number for each series."""
    return Panel(title, description, unit, queries, kind="stat", **options)


def bars(title: str, description: str, unit: str, *queries: Query, **options: Any) -> Panel:
    """Return a panel with a bar for each series."""
    return Panel(title, description, unit, queries, kind="bargauge", **options)


def table(title: str, description: str, unit: str, *queries: Query, **options: Any) -> Panel:
    """Return a table: a line for each set of labels, a column for each query.

    The first column sorts the lines.
    """
    return Panel(title, description, unit, queries, kind="table", **options)


@dataclass(frozen=True)
class Row:
    """A headline and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A menu at the top of the page with the values of a label; `All` selects every value."""

    name: str
    label: str
    query: str


@dataclass(frozen=True)
class Dashboard:
    """A page of panels; `uid` is a part of its address, and links depend on it."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = field(default=())
