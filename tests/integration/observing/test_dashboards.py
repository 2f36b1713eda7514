"""promtool accepts the queries of the Grafana dashboards and the configurations of Prometheus."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.servers.observing import DASHBOARDS, ROOT, shown


def test_every_query_can_be_read(tmp_path: Path) -> None:
    """promtool parses each query of each panel after its variables are filled in
    as Grafana fills them.
    """
    written = [
        {"record": "parsed", "expr": re.sub(r"\$(__\w+|\w+)", _filled, target["expr"])}
        for name in DASHBOARDS
        for panel in shown(name)
        for target in panel["targets"]
    ]
    path = tmp_path / "queries.yml"
    # Each rule has its own group, because promtool refuses the same rule twice in one group.
    groups = [{"name": f"{number}", "rules": [rule]} for number, rule in enumerate(written)]
    path.write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")
    command = ["promtool", "check", "rules", "--lint=none", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _filled(variable: re.Match[str]) -> str:
    return "5m" if variable[1].startswith("__") else ".*"


@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml", "file_sd.yml"])
def test_configurations(name: str) -> None:
    """promtool accepts each configuration with its rules, and the jobs have the names
    that the rules use.
    """
    path = ROOT / "deploy/prometheus" / name
    command = ["promtool", "check", "config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    services = {"upload", "auth", "console", "live", "images", "nginx", "gateway"}
    assert {f"wharf-{name}" for name in services} <= jobs
    assert config["global"]["scrape_interval"] == "15s"
