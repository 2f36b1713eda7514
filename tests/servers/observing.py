"""Wharf's rules and dashboards, as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules"
NAMES = tuple(sorted(path.name for path in RULES.glob("*.yml")))
FOLDER = ROOT / "deploy/grafana/dashboards"
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")
}


def alerts() -> list[dict[str, Any]]:
    """Return all alerting rules."""
    return [rule for rule in rules() if "alert" in rule]


def rules() -> list[dict[str, Any]]:
    """Return all rules of all files."""
    return [
        rule
        for name in NAMES
        for group in yaml.safe_load((RULES / name).read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


def shown(name: str) -> list[dict[str, Any]]:
    """Return the panels of a dashboard that show data."""
    return [panel for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"]
