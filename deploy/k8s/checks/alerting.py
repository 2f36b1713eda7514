"""Generates the PrometheusRule of the component monitoring from the rules in deploy/prometheus.

`make observing` runs this script. A test compares the PrometheusRule with the rules.
"""

from __future__ import annotations

from typing import Any

import yaml

from deploy.k8s.checks.rendering import ROOT, Manifest

SOURCE = ROOT / "deploy/prometheus/rules"
MADE = ROOT / "deploy/k8s/components/monitoring/prometheus-rule.yaml"
_HEAD = (
    "# `make observing` generates this file from deploy/prometheus/rules. Change the rules there.\n"
)


class _Dumper(yaml.SafeDumper):
    """A dumper that keeps the line breaks of expressions."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def groups() -> list[dict[str, Any]]:
    """Return the groups of all files of rules, in the order of the files' names."""
    files = (yaml.safe_load(file.read_text()) for file in sorted(SOURCE.glob("*.yml")))
    return [group for file in files for group in file["groups"]]


def manifest() -> Manifest:
    """Return all rules as one object for the Prometheus operator."""
    labels = {"app.kubernetes.io/name": "wharf", "app.kubernetes.io/component": "monitoring"}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "wharf", "labels": labels},
        "spec": {"groups": groups()},
    }


def text() -> str:
    """Return the content of prometheus-rule.yaml."""
    body: str = yaml.dump(manifest(), Dumper=_Dumper, sort_keys=False, width=10_000)
    return _HEAD + body


if __name__ == "__main__":
    MADE.write_text(text())
