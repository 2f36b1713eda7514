"""Prometheus' text format, read by prometheus_client's own parser."""

from __future__ import annotations

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families


class Exposition:
    """The metrics that one address exports."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: dict[str, Metric] = {}
        for family in text_string_to_metric_families(text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert name not in self.families, f"{name} is there twice"
            self.families[name] = family

    def sum(self, sample: str, **labels: str) -> float:
        """Return the sum of the samples with this name and these labels, or 0 without samples."""
        return sum(self.values(sample, **labels))

    def values(self, sample: str, **labels: str) -> list[float]:
        """Return the samples with this name and these labels."""
        return [
            float(one.value)
            for family in self.families.values()
            for one in family.samples
            if one.name == sample and labels.items() <= one.labels.items()
        ]

    def labels(self, family: str) -> set[str]:
        """Return the names of a family's labels, except `le`."""
        return {
            name for one in self.families[family].samples for name in one.labels if name != "le"
        }
