"""The dashboards as Grafana loads them: current, complete and readable."""

from __future__ import annotations

import itertools
import json
import re

import pytest
import yaml

from deploy.observing import __main__ as observing
from deploy.observing.drawing import COLUMNS
from tests.servers.observing import DASHBOARDS, ROOT, rules, shown

#: Grafana's own ids of units (packages/grafana-data, valueFormats).
UNITS = {"short", "s", "bytes", "Bps", "reqps", "percentunit"}
_METRIC = re.compile(r"\b(?:wharf_\w+|wharf:[\w:]+|up|ALERTS)\b")
_CATALOGUED = re.compile(r"^\| `(wharf_\w+)` \| (\w+)", re.MULTILINE)
CATALOGUE = dict(_CATALOGUED.findall((ROOT / "docs/metrics.md").read_text(encoding="utf-8")))


def expressions() -> list[str]:
    """Return the expressions of all panels, variables, annotations and rules."""
    found = [rule["expr"] for rule in rules()]
    for name, document in DASHBOARDS.items():
        found += [target["expr"] for panel in shown(name) for target in panel["targets"]]
        found += [mark["expr"] for mark in document["annotations"]["list"]]
        found += [
            one["definition"] for one in document["templating"]["list"] if "definition" in one
        ]
    return found


def test_nothing_is_stale() -> None:
    """Each generated file is current: `make observing` was run after the last change."""
    assert observing.stale() == []
    assert {f"grafana/dashboards/{name}.json" for name in DASHBOARDS} < set(observing.files())


@pytest.mark.parametrize("name", DASHBOARDS)
def test_identity(name: str) -> None:
    """A dashboard's uid is its file's name, so links between dashboards work in any Grafana."""
    document = DASHBOARDS[name]
    assert document["uid"] == name
    assert len(name) <= 40
    assert "id" not in document
    assert document["schemaVersion"] >= 36  # as Grafana 9 and later write it
    assert document["tags"] == ["wharf"]
    assert len({one["title"] for one in DASHBOARDS.values()}) == len(DASHBOARDS)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_do_not_overlap(name: str) -> None:
    """Each panel has a unique id, and no two panels overlap."""
    panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert 0 <= place["x"] <= COLUMNS - place["w"]
        cells = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]),
                range(place["y"], place["y"] + place["h"]),
            )
        )
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_say_what_they_show(name: str) -> None:
    """Each panel has a unique title, a description, a known unit and a data source."""
    panels = shown(name)
    titles = [panel["title"] for panel in panels]
    assert len(set(titles)) == len(titles)
    for panel in panels:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in (panel, *panel["targets"]):
            assert target["datasource"]["uid"] == "${datasource}"


def test_graphs_name_their_lines() -> None:
    """Each line or bar of a graph has a unique name, which is not the query."""
    for name in DASHBOARDS:
        for panel in shown(name):
            if panel["type"] in {"timeseries", "bargauge"}:
                legends = [target["legendFormat"] for target in panel["targets"]]
                assert "__auto" not in legends, panel["title"]
                assert len(set(legends)) == len(legends), panel["title"]


def test_tables_name_their_columns() -> None:
    """Each query of a table has a column with a title and a unit; the first column is sorted."""
    tables = [panel for name in DASHBOARDS for panel in shown(name) if panel["type"] == "table"]
    assert tables
    for panel in tables:
        _, organize, by = panel["transformations"]
        titles = list(organize["options"]["renameByName"].values())
        assert len(titles) == len(panel["targets"]), panel["title"]
        assert by["options"]["sort"] == [{"field": titles[0], "desc": True}]
        units = {
            override["matcher"]["options"]: override["properties"][0]["value"]
            for override in panel["fieldConfig"]["overrides"]
        }
        assert {units[title] for title in titles} <= UNITS


@pytest.mark.parametrize("name", DASHBOARDS)
def test_choices(name: str) -> None:
    """A dashboard offers exactly the variables that its queries use."""
    queries = " ".join(target["expr"] for panel in shown(name) for target in panel["targets"])
    used = set(re.findall(r"\$(\w+)", queries)) - {"__rate_interval", "__range"}
    offered = {one["name"] for one in DASHBOARDS[name]["templating"]["list"]}
    assert offered == used | {"datasource"}


def test_links() -> None:
    """Each dashboard links to all others, and each page that a dashboard links to exists."""
    for document in DASHBOARDS.values():
        (link,) = document["links"]
        assert (link["type"], link["tags"]) == ("dashboards", ["wharf"])
        text = json.dumps(document)
        assert all(uid in DASHBOARDS for uid in re.findall(r"/d/([\w-]+)", text))
        for page in re.findall(r"docs/[\w/-]+\.md", text):
            assert (ROOT / page).exists(), page


def test_every_metric_is_in_the_catalogue() -> None:
    """Each metric in an expression is in docs/metrics.md, or is computed by a rule."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for expr in expressions():
        for found in _METRIC.findall(expr):
            metric = re.sub(r"_(bucket|sum|count)$", "", found)
            known = metric in CATALOGUE or found in CATALOGUE or found in recorded
            assert known or found in {"up", "ALERTS"}, (found, expr)


def test_every_metric_is_looked_at() -> None:
    """Each metric of docs/metrics.md is on a dashboard or in a rule."""
    everything = " ".join(expressions())
    assert [metric for metric in CATALOGUE if metric not in everything] == []


def test_every_recording_is_used() -> None:
    """Each recording rule is used by an alert or a dashboard."""
    everything = " ".join(expressions())
    for rule in rules():
        if "record" in rule:
            assert rule["record"] in everything


def test_counters_are_read_as_rates() -> None:
    """A counter is read with rate() or increase(), because its value only shows a process's age."""
    for expr in expressions():
        for metric, kind in CATALOGUE.items():
            if kind == "counter" and "label_values" not in expr:
                uses = len(re.findall(rf"\b{metric}\b", expr))
                rates = len(re.findall(rf"(?:rate|increase)\({metric}\b", expr))
                assert uses == rates, (metric, expr)


def test_provisioning() -> None:
    """Grafana finds the dashboards and their data source at the mounted path."""
    folder = ROOT / "deploy/grafana/provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards/wharf.yml").read_text())["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    (source,) = yaml.safe_load((folder / "datasources/wharf.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    # Grafana computes $__rate_interval from timeInterval, which must equal that of prometheus.yml.
    assert source["jsonData"]["timeInterval"] == "15s"
