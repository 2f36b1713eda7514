"""Each alert except those on error budgets fires with the right texts in its case, and does not
fire in its silent case. test_objectives.py tests the alerts on error budgets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import promtool
from tests.servers.observing import alerts

CASES: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "alert_cases.yml").read_text(encoding="utf-8")
)
RULES = {rule["alert"]: rule for rule in alerts() if "wharf:slo_" not in rule["expr"]}


def expected(alert: str, case: dict[str, Any]) -> dict[str, Any]:
    """Return the labels and annotations of the alert that fires in this case."""
    rule = RULES[alert]
    annotations = dict(rule["annotations"], summary=case["says"])
    if case.get("and"):
        annotations["description"] = case["and"]
    return {
        "exp_labels": {**rule["labels"], **case["labels"]},
        "exp_annotations": annotations,
    }


def looked_at(alert: str, case: dict[str, Any], *found: dict[str, Any]) -> promtool.Course:
    """Return a test for promtool: in this case, exactly the alerts `found` fire."""
    test = {"eval_time": case["at"], "alertname": alert, "exp_alerts": list(found)}
    return promtool.Course(case["series"], alert_rule_test=[test])


def test_every_alert_has_its_cases() -> None:
    """Each alert has a case in which it fires and a case in which it is silent."""
    assert set(CASES) == set(RULES)
    for alert, cases in CASES.items():
        assert {"fires", "silent"} <= set(cases), alert


@pytest.mark.parametrize("alert", sorted(RULES))
def test_fires_and_is_silent(tmp_path: Path, alert: str) -> None:
    """An alert fires once with its summary and labels, and does not fire in its silent case."""
    courses = [
        looked_at(alert, case, *([] if name == "silent" else [expected(alert, case)]))
        for name, case in CASES[alert].items()
    ]
    promtool.run(tmp_path, *courses, files=("alerts.yml", "recording.yml"))
