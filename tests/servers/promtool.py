"""A runner of promtool, which applies Wharf's rules to the series of a test."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.servers.observing import NAMES, RULES


@dataclass
class Course:
    """Series by name and labels, with a sample each `interval`, and the expected results."""

    series: dict[str, str]
    interval: str = "1m"
    alert_rule_test: list[dict[str, Any]] = field(default_factory=list)
    promql_expr_test: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the test in promtool's format."""
        return {
            "interval": self.interval,
            "input_series": [
                {"series": name, "values": str(values)} for name, values in self.series.items()
            ],
            "alert_rule_test": self.alert_rule_test,
            "promql_expr_test": self.promql_expr_test,
        }


def run(
    folder: Path, *courses: Course, files: tuple[str, ...] = NAMES, evaluation: str = "1m"
) -> None:
    """Run promtool and fail with its output when a result is not as expected."""
    path = folder / "test.yml"
    document = {
        "rule_files": [str(RULES / name) for name in files],
        "evaluation_interval": evaluation,
        "tests": [course.document() for course in courses],
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    command = ["promtool", "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
