"""Prometheus' targets, with the names that the rules use, and the rules."""

from __future__ import annotations

import re

import pytest
import yaml

from deploy.k8s.checks import alerting
from deploy.k8s.checks.rendering import ROOT
from tests.deploy.cluster import cluster, matches

VARIANTS = ("single-node-complete", "production-complete", "object-store-complete")


def test_rules_are_those_of_prometheus() -> None:
    """The component's rules are deploy/prometheus/rules, as `make observing` writes them."""
    assert alerting.MADE.read_text() == alerting.text()
    own = cluster("production-complete").one("PrometheusRule", "wharf")["spec"]["groups"]
    written = [
        group
        for name in ("alerts", "recording", "slo")
        for group in yaml.safe_load((alerting.SOURCE / f"{name}.yml").read_text())["groups"]
    ]
    assert own == written
    assert len([file for file in alerting.SOURCE.iterdir() if file.suffix == ".yml"]) == 3


@pytest.mark.parametrize("variant", VARIANTS)
def test_targets_exist(variant: str) -> None:
    """Each endpoint is a port of a Service that its monitor selects."""
    found = cluster(variant)
    for monitor in found.kind("ServiceMonitor"):
        services = [
            one
            for one in found.kind("Service")
            if matches(monitor["spec"]["selector"], one["metadata"]["labels"])
        ]
        if monitor["metadata"]["name"] in {"wharf-worker", "wharf-jobs"} and "single" in variant:
            assert services == []  # On one node upload runs the worker and the jobs.
            continue
        (service,) = services
        ports = {port["name"] for port in service["spec"]["ports"]}
        for endpoint in monitor["spec"]["endpoints"]:
            assert endpoint["port"] in ports


def test_jobs_have_the_names_of_the_rules() -> None:
    """The targets have the job names that docs/metrics.md lists and the rules select."""
    jobs = [
        rule["replacement"]
        for monitor in cluster("production-complete").kind("ServiceMonitor")
        for endpoint in monitor["spec"]["endpoints"]
        for rule in endpoint["relabelings"]
        if rule["targetLabel"] == "job"
    ]
    page = (ROOT / "docs/metrics.md").read_text()
    suggested = re.search(r"Suggested job names: (.+?)\.", page, re.DOTALL)
    assert suggested
    assert sorted(jobs) == sorted(re.findall(r"`(.+?)`", suggested[1]))
    for name in re.findall(r'job="(.+?)"', alerting.text()):
        assert name in jobs
