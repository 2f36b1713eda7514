"""Alerts on error budgets: the rate of failures at which each alert fires, and the
end of the alert.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.observing.objectives import OBJECTIVES
from deploy.observing.slos import BURNS, Objective
from tests.servers import promtool
from tests.servers.promtool import Course

# A little more than three days, in steps of five minutes.
_STEPS = 900
_REQUESTS = 100_000  # in one step
_ANSWERS = 'wharf_gateway_answers_total{job="wharf-nginx",operation="%s",class="%s"}'
_SECONDS = 'wharf_gateway_service_duration_seconds_%s{job="wharf-nginx",operation="%s"%s}'


def _availability(operation: str) -> Callable[[int, int], dict[str, str]]:
    return lambda bad, good: {
        _ANSWERS % (operation, "2xx"): f"0+{good}x{_STEPS}",
        _ANSWERS % (operation, "5xx"): f"0+{bad}x{_STEPS}",
        # A used-up quota of a tenant and a client that disconnects are not failures of the service.
        _ANSWERS % (operation, "507"): f"0+0x{_STEPS}",
        _ANSWERS % (operation, "closed"): f"0+{_REQUESTS}x{_STEPS}",
    }


def _latency(operation: str, edge: str) -> Callable[[int, int], dict[str, str]]:
    return lambda bad, good: {
        _SECONDS % ("count", operation, ""): f"0+{bad + good}x{_STEPS}",
        _SECONDS % ("bucket", operation, f',le="{edge}"'): f"0+{good}x{_STEPS}",
    }


# For each objective: a function from the bad and good requests in five minutes to the series.
SERIES = {
    "upload-availability": _availability("upload_small"),
    "upload-latency": _latency("upload_large", "1.0"),
    "download-availability": _availability("download_shared"),
    "download-latency": _latency("download", "0.1"),
}


def firing(alert: str, at: str, *burns: str, burn: str = ".*") -> dict[str, object]:
    """Return a test: at the time `at`, exactly the given burn rates of the alert fire.

    The test ignores burn rates that do not match the pattern `burn`.
    """
    series = f'ALERTS{{alertname="{alert}", alertstate="firing", burn=~"{burn}"}}'
    return {
        "expr": f"count by (burn) ({series})",
        "eval_time": at,
        "exp_samples": [{"labels": f'{{burn="{burn}"}}', "value": 1} for burn in burns],
    }


def steady(times: float) -> Course:
    """Return the series of three days in which each budget burns `times` times too fast, and the
    burn rates that must fire.
    """
    burns = [f"{burn.times:g}" for burn in BURNS if burn.times < times]
    course = Course({}, "5m")
    for one in OBJECTIVES:
        bad = round(_REQUESTS * (1 - one.ratio) * times)
        course.series |= SERIES[one.slo](bad, _REQUESTS - bad)
        course.promql_expr_test.append(firing(one.alert, "74h", *burns))
    return course


def run(folder: Path, *courses: Course, evaluation: str = "2h") -> None:
    """Run promtool on these series.

    The interval of evaluation is long because windows of three days cost promtool seconds.
    """
    promtool.run(folder, *courses, files=("slo.yml",), evaluation=evaluation)


@pytest.mark.parametrize("times", [0.5, 1.2, 3.2, 6.4, 15])
def test_each_pace_has_its_alert(tmp_path: Path, times: float) -> None:
    """Failures just above the pace of a burn rate make this burn rate fire, and
    no faster burn rate.

    Failures at half the allowed pace make none fire.
    """
    run(tmp_path, steady(times))


@pytest.mark.parametrize("one", OBJECTIVES, ids=lambda one: one.slo)
def test_an_outage(tmp_path: Path, one: Objective) -> None:
    """The fastest alert fires within ten minutes of a total outage, and stops within 20 minutes
    after its end.
    """
    good, bad = (SERIES[one.slo](*counts) for counts in ((0, _REQUESTS), (_REQUESTS, 0)))
    # Six good hours, one hour of outage, one good hour.
    series = {
        name: _course((_step(good[name]), 72), (_step(bad[name]), 12), (_step(good[name]), 12))
        for name in good
    }
    times = {"6h": [], "6h10m": ["14.4"], "7h": ["14.4"], "7h20m": []}
    fastest = [firing(one.alert, at, *burns, burn="14.4") for at, burns in times.items()]
    run(tmp_path, Course(series, "5m", promql_expr_test=fastest), evaluation="10m")


def _step(values: str) -> int:
    """Return the amount by which a series grows in each step."""
    return int(values.removeprefix("0+").partition("x")[0])


def _course(*parts: tuple[int, int]) -> str:
    """Return a counter that grows by each part's amount for each part's number of steps."""
    found, value = ["0"], 0
    for step, times in parts:
        found.append(f"{value + step}+{step}x{times - 1}")
        value += step * times
    return " ".join(found)


@pytest.mark.parametrize("one", OBJECTIVES, ids=lambda one: one.slo)
def test_a_quiet_night(tmp_path: Path, one: Objective) -> None:
    """Four failures in an hour, without a good request, make no alert fire: an alert needs five
    failures.
    """
    series = {
        name: f"{'0+1x4 4x60' if _step(values) else '0x64'}"
        for name, values in SERIES[one.slo](1, 0).items()
    }
    run(tmp_path, Course(series, "5m", promql_expr_test=[firing(one.alert, "1h")]))


def test_a_full_disk_is_a_failure_and_a_full_quota_is_none(tmp_path: Path) -> None:
    """A 507 counts as a failure only if upload reports the problem `storage-full`."""
    refused = {
        _ANSWERS % ("upload_small", "5xx"): "0x100",
        _ANSWERS % ("upload_small", "2xx"): "0+900x100",
        _ANSWERS % ("upload_small", "507"): "0+100x100",
    }
    problem = 'wharf_problems_total{job="wharf-upload",slug="%s"}'
    quota = Course(
        {
            **refused,
            problem % "tenant-quota-exceeded": "0+100x100",
            problem % "storage-full": "0x100",
        },
        "5m",
        promql_expr_test=[firing("WharfUploadsFailing", "8h")],
    )
    disk = Course(
        {**refused, problem % "storage-full": "0+100x100"},
        "5m",
        promql_expr_test=[firing("WharfUploadsFailing", "8h", "14.4", "6", "3", "1")],
    )
    run(tmp_path, quota, disk)


def test_installations_are_told_apart(tmp_path: Path) -> None:
    """Traffic of one installation does not hide the failures of another installation."""
    answers = 'wharf_gateway_answers_total{installation="%s",operation="download",class="%s"}'
    series = {
        answers % ("small", "5xx"): "0+50x100",
        answers % ("small", "2xx"): "0+50x100",
        answers % ("large", "5xx"): "0x100",
        answers % ("large", "2xx"): "0+1000000x100",
    }
    expected = {
        "expr": 'count by (installation) (ALERTS{alertname="WharfDownloadsFailing", burn="14.4"})',
        "eval_time": "2h",
        "exp_samples": [{"labels": '{installation="small"}', "value": 1}],
    }
    run(tmp_path, Course(series, "5m", promql_expr_test=[expected]))


@pytest.mark.parametrize("one", OBJECTIVES, ids=lambda one: one.slo)
def test_an_alert_says_what_fails_and_how_urgent_it_is(tmp_path: Path, one: Objective) -> None:
    """An alert's annotations state the part that fails, the window, the objective and the days
    until the error budget is used up. Its labels state the severity and the burn rate.
    """
    bad = round(_REQUESTS * 0.5)
    expected = [
        {
            "exp_labels": {
                "slo": one.slo,
                "severity": burn.severity,
                "burn": f"{burn.times:g}",
                "window": burn.long,
            },
            "exp_annotations": {
                "summary": f"50% of {one.what} in {burn.long}",
                "description": f"The objective is {one.ratio * 100:g}% good over 30 days. At this "
                f"pace the error budget is used up in {left} days.",
                "runbook_url": f"docs/runbooks/{one.alert}.md",
            },
        }
        for burn, left in zip(BURNS, ("2.08", "5", "10", "30"), strict=True)
    ]
    test = {"eval_time": "8h", "alertname": one.alert, "exp_alerts": expected}
    run(tmp_path, Course(SERIES[one.slo](bad, bad), "5m", alert_rule_test=[test]))
