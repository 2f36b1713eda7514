"""Service level objectives, and the Prometheus rules that watch their error budgets.

There are four burn rates with two windows each, as in the Google SRE workbook ("Alerting on SLOs").
A burn rate says how many times faster than allowed the error budget of 30 days is used. An alert
fires while the rate is too high in both the long and the short window, so it stops soon after the
failures stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Objective:
    """The promised part of good requests over 30 days.

    `bad` and `total` are rates in PromQL, summed by `installation`, with `WINDOW` for the window.
    """

    slo: str
    alert: str
    ratio: float
    bad: str
    total: str
    what: str


@dataclass(frozen=True)
class Burn:
    """A burn rate, its two windows, and the severity of its alert."""

    times: float
    long: str
    short: str
    severity: str

    @property
    def long_seconds(self) -> int:
        """Return the long window in seconds."""
        return int(self.long[:-1]) * {"h": 3600, "d": 86400}[self.long[-1]]


BURNS = (
    Burn(14.4, "1h", "5m", "critical"),
    Burn(6, "6h", "30m", "critical"),
    Burn(3, "1d", "2h", "warning"),
    Burn(1, "3d", "6h", "warning"),
)
#: With few requests at night a single failure is a large part of them, but no reason for an alert.
LEAST_BAD_REQUESTS = 5
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def rules(objectives: tuple[Objective, ...]) -> Json:
    """Return the content of slo.yml."""
    groups = [{"name": "wharf-slo-objectives", "rules": [_target(one) for one in objectives]}]
    for one in objectives:
        recorded = [_ratio(one, window) for window in WINDOWS]
        recorded += [_bad(one, burn.long) for burn in BURNS]
        alerts = [_alert(one, burn) for burn in BURNS]
        groups.append({"name": f"wharf-slo-{one.slo}", "rules": [*recorded, *alerts]})
    return {"groups": groups}


def _target(one: Objective) -> Json:
    """Return the rule that records the objective, for dashboards."""
    return {
        "record": "wharf:slo_objective:ratio",
        "labels": {"slo": one.slo},
        "expr": f"vector({one.ratio})",
    }


def _ratio(one: Objective, window: str) -> Json:
    """Return the rule that records the part of bad requests; without requests it has no value."""
    bad, total = (rate.replace("WINDOW", window) for rate in (one.bad, one.total))
    return {
        "record": f"wharf:slo_errors:ratio_rate{window}",
        "labels": {"slo": one.slo},
        "expr": f"({bad} or {total} * 0)\n/ ({total} > 0)\n",
    }


def _bad(one: Objective, window: str) -> Json:
    return {
        "record": f"wharf:slo_bad:rate{window}",
        "labels": {"slo": one.slo},
        "expr": one.bad.replace("WINDOW", window) + "\n",
    }


def _alert(one: Objective, burn: Burn) -> Json:
    limit = f"{burn.times:g} * {round(1 - one.ratio, 9):g}"
    series = f'{{slo="{one.slo}"}}'
    return {
        "alert": one.alert,
        "expr": f"wharf:slo_errors:ratio_rate{burn.long}{series} > {limit}\n"
        f"and wharf:slo_errors:ratio_rate{burn.short}{series} > {limit}\n"
        f"and wharf:slo_bad:rate{burn.long}{series} * {burn.long_seconds}"
        f" >= {LEAST_BAD_REQUESTS}\n",
        "labels": {"severity": burn.severity, "burn": f"{burn.times:g}", "window": burn.long},
        "annotations": {
            "summary": f"{{{{ $value | humanizePercentage }}}} of {one.what} in {burn.long}",
            "description": f"The objective is {one.ratio * 100:g}% good over 30 days. At this pace "
            f"the error budget is used up in {30 / burn.times:.3g} days.",
            "runbook_url": f"docs/runbooks/{one.alert}.md",
        },
    }
