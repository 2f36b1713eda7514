"""Makes the PrometheusRule of the component monitoring from the rules of deploy/prometheus.

`make observing` runs it; the rules are written once, and a test compares the two.
"""

from __future__ import annotations

from typing import Any

import yaml

from deploy.k8s.checks.rendering import ROOT, Manifest

SOURCE = ROOT / "deploy/prometheus/rules"
MADE = ROOT / "deploy/k8s/components/monitoring/prometheus-rule.yaml"
_HEAD = "# Made by `make observing` from deploy/prometheus/rules; change it there.\n"


class _Dumper(yaml.SafeDumper):
    """Expressions of several lines stay readable."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def groups() -> list[dict[str, Any]]:
    """The groups of all files of rules, in the order of the files' names."""
    files = (yaml.safe_load(file.read_text()) for file in sorted(SOURCE.glob("*.yml")))
    return [group for file in files for group in file["groups"]]


def manifest() -> Manifest:
    """All rules as one object of the Prometheus operator's."""
    labels = {"app.kubernetes.io/name": "wharf", "app.kubernetes.io/component": "monitoring"}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "wharf", "labels": labels},
        "spec": {"groups": groups()},
    }


def text() -> str:
    """The file's content."""
    body: str = yaml.dump(manifest(), Dumper=_Dumper, sort_keys=False, width=10_000)
    return _HEAD + body


if __name__ == "__main__":
    MADE.write_text(text())
