"""A real Prometheus on a loaded Wharf: dashboards and rules show the noisy tenant and errors."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.dashboards.traffic import NEARLY_FULL, NOISY, QUIET, Traffic
from tests.servers.object_stores import ObjectStore
from tests.servers.prometheus import FOLDER, Prometheus, Sample
from tests.servers.wharf.instance import ROOT, running
from tests.servers.wharf.raw_http import until

SECONDS = 60  # an upper limit; the tests seldom wait so long
DASHBOARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
}
#: The values that Grafana inserts: all series, over the whole time of the test.
FILLED = {
    "$__rate_interval": "10m",
    "$__range": "10m",
    "$installation": ".*",
    "$instance": ".*",
    "$tenant": ".*",
}
#: No target is down during these tests, except in test_a_part_that_hangs.
DOWN = "wharf-overview: Targets down A"
_SELECTOR = re.compile(r"\b(wharf_\w+|up)(\{[^}]*\})?")
#: The number of jobs in prometheus.yml, all of which a Wharf on one machine has.
JOBS = len(yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"])
#: Alerts that the tests can make fire within seconds; tests/integration/observing tests the others.
PROVOKED = {
    "WharfTenantNearQuota",
    "WharfTenantRefusalsSurge",
    "WharfStorageFailed",
    "WharfUploadsFailing",
    "WharfDatabaseErrors",
    "WharfRefreshTokenReused",
    "WharfSigningKeyOld",
}


def filled(expr: str) -> str:
    """Return a query as Grafana sends it, without the zero that replaces a missing metric."""
    for name, value in FILLED.items():
        expr = expr.replace(name, value)
    return expr.replace(" or vector(0)", "")


def queries() -> dict[str, str]:
    """Return every query of every panel, by its dashboard and panel."""
    return {
        f"{name}: {panel['title']} {target['refId']}": filled(target["expr"])
        for name, document in DASHBOARDS.items()
        for panel in document["panels"]
        for target in panel.get("targets", ())
    }


def rules() -> Iterator[dict[str, Any]]:
    """Yield every rule."""
    for path in (FOLDER / "rules").glob("*.yml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def selectors() -> set[str]:
    """Return the metrics, with their label selectors, that the rules read.

    This Wharf has no TLS; tests/e2e/tls tests the metrics of TLS.
    """
    found = {"".join(one) for rule in rules() for one in _SELECTOR.findall(rule["expr"])}
    return {one for one in found if not one.startswith("wharf_tls_")}


@pytest.fixture(scope="module")
def traffic(radosgw: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traffic]:
    """Start a Wharf that sweeps continuously, and accepts files of any announced size.

    The blobs are on an object store, so that the graphs of the store have data.
    """
    enormous = str(10**15)
    with running(
        None,
        **radosgw.settings(tmp_path_factory.mktemp("keys")),
        WHARF_SWEEP_SECONDS="1",
        WHARF_WEBHOOK_ALLOW="127.0.0.1",
        WHARF_MAX_FILE_BYTES=enormous,
        WHARF_MAX_BODY_BYTES=enormous,
        WHARF_TENANT_MAX_BYTES="0",
    ) as wharf:
        yield Traffic(wharf)


@pytest.fixture(scope="module")
def prometheus(traffic: Traffic) -> Iterator[Prometheus]:
    """Start Prometheus before the first request, so that it sees the counters grow."""
    folder = Path(tempfile.mkdtemp(prefix="wharf-prometheus-"))
    server = Prometheus(folder, traffic.wharf.metrics_port)
    try:
        server.start()
        assert until(
            lambda: len(server.query("up == 1")) == len(server.query("up")) >= 7, SECONDS
        ), server.query("up")
        traffic.first_noise()
        assert until(
            lambda: server.query(f'wharf_tenant_requests_total{{tenant="{NOISY}"}}'), SECONDS
        )
        traffic.all_ways()
        traffic.fill_quota()
        traffic.full_disk()
        traffic.old_key()
        traffic.noise()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Provoked:
    """The alerts that have fired, and their summaries."""

    names: set[str]
    summaries: set[str]


@pytest.fixture(scope="module")
def ranked(prometheus: Prometheus) -> dict[str, list[Sample]]:
    """Return the tenants' table and rankings, read before the test locks the database.

    The lock makes a quiet tenant wait. Waiting counts as use of the services' time, so the quiet
    tenant would then lead a ranking.
    """
    panels = {panel["title"]: panel for panel in DASHBOARDS["wharf-tenants"]["panels"]}
    (table,) = (panel for panel in panels.values() if panel["type"] == "table" and panel["id"] == 2)
    found = {}
    for panel in (table, panels["Most requests"], panels["Most refused"]):
        expr = filled(panel["targets"][0]["expr"])
        until(lambda expr=expr: led_by_noisy(prometheus.query(expr)), SECONDS)
        found[panel["title"]] = prometheus.query(expr)
    return found


@pytest.fixture(scope="module")
def provoked(ranked: object, prometheus: Prometheus, traffic: Traffic) -> Provoked:
    """Provoke the alerts that need no stopped service, and return all alerts that fire."""

    def all_fire() -> bool:
        # Concurrent uploads may share one commit and thus
        # cause only one error, so the test repeats them.
        traffic.locked_database()
        return until(lambda: prometheus.firing() >= PROVOKED, SECONDS / 10)

    until(all_fire, SECONDS)
    return Provoked(prometheus.firing(), prometheus.summaries())


def silent(server: Prometheus, wanted: dict[str, str]) -> dict[str, str]:
    """Return the queries that return no data, or no number."""
    return {
        where: expr
        for where, expr in wanted.items()
        if not any(value == value for _, value in server.query(expr))  # noqa: PLR0124 -- NaN
    }


def answered(server: Prometheus, wanted: dict[str, str]) -> dict[str, str]:
    """Return the queries that still return no data after a while."""
    left = dict(wanted)

    def none_left() -> bool:
        left.update(silent(server, left))
        for where in left.keys() - silent(server, left).keys():
            del left[where]
        return not left

    until(none_left, SECONDS)
    return left


def test_the_noisy_tenant_is_named_first(ranked: dict[str, list[Sample]]) -> None:
    """The table and the rankings of the tenants' dashboard begin with the noisy tenant."""
    for title, samples in ranked.items():
        assert led_by_noisy(samples), (title, samples)


def led_by_noisy(samples: list[Sample]) -> bool:
    """Tell whether all tenants are in the samples, with the noisy one first."""
    tenants = {labels["tenant"] for labels, _ in samples}
    if not {*QUIET, NEARLY_FULL} <= tenants:
        return False
    return max(samples, key=lambda one: one[1])[0]["tenant"] == NOISY


def test_every_query_of_every_dashboard_returns_data(prometheus: Prometheus) -> None:
    """Every graph of every dashboard has data on a loaded Wharf."""
    wanted = queries()
    del wanted[DOWN]
    assert answered(prometheus, wanted) == {}


def test_every_variable_has_values(prometheus: Prometheus) -> None:
    """Every variable of a dashboard offers values that exist."""
    for document in DASHBOARDS.values():
        for variable in document["templating"]["list"]:
            if variable["name"] in {"datasource", "installation"}:
                continue  # a single installation has no label with its name
            asked = re.fullmatch(r"label_values\((.*), (\w+)\)", filled(variable["definition"]))
            assert asked, variable
            selector, label = asked.groups()
            assert prometheus.label_values(selector, label), variable["name"]


def test_every_rule_has_what_it_reads(prometheus: Prometheus) -> None:
    """Every rule works, and every recording and every metric that a rule reads has values."""
    recorded = {rule["record"]: rule["record"] for rule in rules() if "record" in rule}
    asked = {selector: selector for selector in selectors()}
    assert answered(prometheus, recorded | asked) == {}
    assert prometheus.broken_rules() == []


def test_every_alert_that_can_be_provoked_fires(provoked: Provoked) -> None:
    """Each provoked alert fires, and an alert about one tenant names this tenant."""
    assert PROVOKED - provoked.names == set()
    summaries = provoked.summaries
    assert f"{NEARLY_FULL} has used 95% of its quota" in summaries
    assert any(f" requests per second of {NOISY} are refused (" in one for one in summaries)
    assert not any("error expanding" in summary for summary in summaries)


@pytest.mark.usefixtures("provoked")
def test_a_part_that_hangs(prometheus: Prometheus, traffic: Traffic) -> None:
    """A hanging auth fires the alerts for its target and for upload's stale feed of revocations."""
    with traffic.stopped_auth():
        instance = f"127.0.0.1:{traffic.wharf.metrics_port}"
        down = f"wharf-auth at {instance} returns no metrics"
        assert until(lambda: down in prometheus.summaries(), SECONDS)
        assert until(lambda: "WharfFeedStale" in prometheus.firing(), SECONDS)
        assert prometheus.query(queries()[DOWN])
    ended = {"WharfTargetDown", "WharfFeedStale"}
    assert until(lambda: not prometheus.firing() & ended, SECONDS)
