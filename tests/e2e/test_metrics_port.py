"""Metrics: served on the internal port, and on no other port.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import re

import pytest

from tests.servers.exposition import Exposition
from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import exchange, head, until

METRICS = ["/metrics", "/metrics/", "/metrics/upload", "/metrics/auth", "/metrics/nginx",
           "/nginx_status", "/auth/metrics", "/auth/metrics/", "/%6detrics", "//metrics",
           "/x/../metrics", "/v1/../metrics", "/.well-known/../metrics", "/metrics?x"]  # fmt: skip


def internal(wharf: Wharf, target: str) -> str:
    """Return the text of an internal address."""
    (answer,) = exchange(wharf.metrics_port, head(f"GET {target} HTTP/1.1", "Connection: close"))
    assert answer.status == 200, answer
    return answer.body.decode()


@pytest.mark.parametrize("target", METRICS)
def test_no_metrics_for_the_public(wharf: Wharf, api: ApiClient, target: str) -> None:
    """Row 75: no spelling of a metrics address returns metrics on the public port."""
    for client in (api, api.using(None)):
        answer = client.get(target, {"Wharf-Internal": "1", "WHARF_INTERNAL": "1"})
        assert answer.status in (400, 401, 404)
        assert b"wharf_http" not in answer.body


@pytest.mark.parametrize("service", ["upload", "auth"])
def test_metrics_of_the_services(wharf: Wharf, service: str) -> None:
    """The internal port serves each service's metrics in Prometheus' format."""
    text = internal(wharf, f"/metrics/{service}")
    assert "# TYPE wharf_http_requests_total counter" in text
    assert "# TYPE wharf_http_request_duration_seconds histogram" in text


def test_metrics_of_nginx(wharf: Wharf) -> None:
    """The internal port serves nginx's own counters, as plain text and in Prometheus' format."""
    assert internal(wharf, "/nginx_status").startswith("Active connections: ")
    assert until(lambda: Exposition(internal(wharf, "/metrics/nginx")).sum("wharf_nginx_up") == 1)
    found = Exposition(internal(wharf, "/metrics/nginx"))
    assert found.sum("wharf_nginx_connections", state="active") >= 1
    assert found.sum("wharf_nginx_requests_total") >= 1


@pytest.mark.parametrize(
    "target", ["/", "/v1/usage", "/v1/files/default/x", "/metrics", "/auth/openapi.json"]
)
def test_nothing_else_is_internal(wharf: Wharf, target: str) -> None:
    """The internal port serves no address of the services except their metrics."""
    (answer,) = exchange(wharf.metrics_port, head(f"GET {target} HTTP/1.1", "Connection: close"))
    assert answer.status == 404


def count(text: str, **labels: str) -> float:
    """Return the sum of the request counters with these labels."""
    total = 0.0
    for found, value in re.findall(
        r"^wharf_http_requests_total\{(.*)\} (\S+)$", text, re.MULTILINE
    ):
        if all(f'{name}="{wanted}"' in found for name, wanted in labels.items()):
            total += float(value)
    return total


def test_workers_are_counted_together(wharf: Wharf, api: ApiClient) -> None:
    """Requests to different workers are counted exactly, in one number, within seconds."""
    route = "/v1/files/{bucket}/{key}"
    before = internal(wharf, "/metrics/upload")
    for number in range(20):
        api.stored(f"{number}", LARGE if number % 2 else SMALL)
        api.file("absent")
    for method, status in (("PUT", "201"), ("GET", "404")):
        labels = {"route": route, "method": method, "status": status}
        wanted = count(before, **labels) + 20

        def counted(labels: dict[str, str] = labels) -> float:
            return count(internal(wharf, "/metrics/upload"), **labels)

        # Each process adds to the counters after it has sent the responses.
        assert until(lambda: counted() == wanted), counted()  # noqa: B023 -- called at once


def test_labels_are_bounded(wharf: Wharf, api: ApiClient) -> None:
    """Row 76: no path, key or method that a client invents becomes a metric label."""
    api.stored("label-of-a-key")
    api.get("/label-of-a-path")
    api.request("LABELMETHOD", "/v1/files/default/label-of-a-key")
    api.request("LABELMETHOD", "/v1/usage")
    text = internal(wharf, "/metrics/upload")
    assert "label-of" not in text
    assert "LABELMETHOD" not in text
    assert api.tenant not in text
