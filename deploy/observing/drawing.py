"""Converts dashboards to the JSON that Grafana loads: its classic model, schemaVersion 39."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from deploy.observing.panels import Dashboard, Panel, Query, Row, Variable

#: Grafana's grid is 24 columns wide; heights are in rows of about 30 pixels.
COLUMNS = 24
SCHEMA_VERSION = 39  # of Grafana 10 and 11; later versions migrate it when they load it
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
TAG = "wharf"
Json = dict[str, Any]

GREEN, YELLOW, RED = "green", "yellow", "red"


def document(dashboard: Dashboard) -> Json:
    """Return the JSON that Grafana loads."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "annotations": {"list": [_firing_alerts()]},
        "links": [_to_the_others()],
        "templating": {"list": [_datasource_variable(), *map(_variable, dashboard.variables)]},
        "panels": _placed(dashboard.rows),
    }


def _placed(rows: Sequence[Row]) -> list[Json]:
    """Place panels from left to right; begin a new line when a panel does not fit."""
    numbers = itertools.count(1)
    found: list[Json] = []
    y = 0
    for row in rows:
        found.append(_headline(row.title, next(numbers), y))
        x, y, line = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, line = 0, y + line, 0
            place = {"h": panel.height, "w": panel.width, "x": x, "y": y}
            found.append({"id": next(numbers), "gridPos": place, **_panel(panel)})
            x, line = x + panel.width, max(line, panel.height)
        y += line
    return found


def _headline(title: str, number: int, y: int) -> Json:
    place = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }


def _panel(panel: Panel) -> Json:
    document: Json = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "targets": [
            _target(query, letter, panel)
            for query, letter in zip(panel.queries, "ABCDEFGH", strict=False)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _OPTIONS[panel.kind],
    }
    if panel.kind == "table":
        document["transformations"] = _table(panel)
    return document


def _target(query: Query, letter: str, panel: Panel) -> Json:
    document: Json = {
        "refId": letter,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend,
        "instant": panel.instant,
        "range": not panel.instant,
    }
    if panel.kind == "table":
        document["format"] = "table"
    return document


def _defaults(panel: Panel) -> Json:
    low, high = panel.bounds
    defaults: Json = {"unit": panel.unit, "thresholds": _thresholds(panel)}
    if low is not None:
        defaults["min"] = low
    if high is not None:
        defaults["max"] = high
    if panel.kind == "timeseries":
        stacking = "normal" if panel.stacked else "none"
        defaults["custom"] = {
            "drawStyle": "line",
            "fillOpacity": 30 if panel.stacked else 8,
            "lineWidth": 1,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": stacking, "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
        }
        defaults["color"] = {"mode": "palette-classic"}
    else:
        defaults["color"] = {"mode": "thresholds"}
    if panel.to_tenant and panel.kind != "table":
        defaults["links"] = [_to_tenant("${__field.labels.tenant}")]
    return defaults


def _to_tenant(name: str) -> Json:
    return {
        "title": f"Show {name} alone",
        "url": "/d/wharf-tenants?${__url_time_range}&${datasource:queryparam}"
        f"&${{installation:queryparam}}&var-tenant={name}",
    }


def _thresholds(panel: Panel) -> Json:
    colours = [GREEN, RED] if len(panel.steps) < 2 else [GREEN, YELLOW, RED]
    if panel.below:
        colours.reverse()
    values = [None, *sorted(panel.steps)]
    steps = [
        {"color": colour, "value": value} for colour, value in zip(colours, values, strict=False)
    ]
    return {"mode": "absolute", "steps": steps}


def _overrides(panel: Panel) -> list[Json]:
    """Return the units of a table's columns, and the link behind a tenant's name."""
    found = [_override(title, "unit", unit) for title, unit in panel.columns]
    if panel.to_tenant and panel.kind == "table":
        found.append(_override("tenant", "links", [_to_tenant("${__value.text}")]))
    return found


def _override(column: str, name: str, value: object) -> Json:
    return {
        "matcher": {"id": "byName", "options": column},
        "properties": [{"id": name, "value": value}],
    }


def _table(panel: Panel) -> list[Json]:
    """Join the queries by their labels; the n-th query's value gets the n-th column's title."""
    names = {
        f"Value #{letter}" if len(panel.queries) > 1 else "Value": title
        for letter, (title, _) in zip("ABCDEFGH", panel.columns, strict=False)
    }
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}},
        {"id": "sortBy", "options": {"sort": [{"field": panel.columns[0][0], "desc": True}]}},
    ]


_NEWEST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": {
            "displayMode": "table",
            "placement": "bottom",
            "calcs": ["lastNotNull", "max"],
            "sortBy": "Last *",
            "sortDesc": True,
            "showLegend": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": _NEWEST,
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
    },
    "bargauge": {
        "reduceOptions": _NEWEST,
        "displayMode": "basic",
        "orientation": "horizontal",
        "showUnfilled": True,
        "valueMode": "color",
    },
    "table": {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}},
}


def _datasource_variable() -> Json:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
    }


def _variable(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": variable.query,
        "query": {"query": variable.query, "refId": f"Variable-{variable.name}"},
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "allValue": ".*",
        "includeAll": True,
        "multi": True,
        "hide": 0,
        "options": [],
        "refresh": 2,
        "regex": "",
        "sort": 1,
    }


def _firing_alerts() -> Json:
    """Return the annotation that marks firing alerts in all graphs."""
    return {
        "name": "Alerts",
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": RED,
        "expr": 'ALERTS{alertname=~"Wharf.+", alertstate="firing"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{instance}} {{tenant}}",
        "step": "60s",
    }


def _to_the_others() -> Json:
    return {
        "title": "Wharf",
        "type": "dashboards",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "The other dashboards, with the same time and choices",
        "url": "",
    }
