"""Metrics that the collector computes from nginx's log lines: operations, tenants, refusals."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from tests.e2e.observed.scraping import scrape
from tests.servers.exposition import Exposition
from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.raw_http import exchange, head, until
from tests.servers.wharf.tenants import Tenants


def grown(wharf: Wharf, before: Exposition, by: float, name: str, **labels: str) -> bool:
    """Tell whether a counter grows by exactly this number; nginx writes its log lines up to 1 s
    late.
    """
    wanted = before.sum(name, **labels) + by
    return until(lambda: scrape(wharf, "nginx").sum(name, **labels) == wanted, pause=0.1)


def test_operations_are_told_apart(wharf: Wharf, api: ApiClient, before: Exposition) -> None:
    """Each request is counted once, with its operation and the tenant that sent it."""
    api.put("small", SMALL)
    api.put("large", LARGE)
    api.post(file_part("form.txt"))
    api.file("small")
    api.file("absent")
    api.get("/v1/files/default")
    api.get("/v1/uploads?limit=1")
    api.get("/v1/usage")
    name = "wharf_gateway_requests_total"
    for operation, method, code in (
        ("upload_small", "PUT", "201"),
        ("upload_large", "PUT", "201"),
        ("upload_form", "POST", "201"),
        ("download", "GET", "200"),
        ("download", "GET", "404"),
        ("list", "GET", "200"),
        ("api", "GET", "200"),
    ):
        labels = {"operation": operation, "method": method, "code": code}
        count = 2 if operation == "list" else 1
        assert grown(wharf, before, count, name, **labels, answered_by="service"), labels
    after = scrape(wharf, "nginx")
    assert after.sum("wharf_tenant_requests_total", tenant=api.tenant) == 8
    assert after.sum("wharf_tenant_requests_total", tenant=api.tenant, **{"class": "4xx"}) == 1
    assert after.sum("wharf_tenant_received_bytes_total", tenant=api.tenant) > len(LARGE)
    assert after.sum("wharf_tenant_service_seconds_total", tenant=api.tenant) > 0
    durations = "wharf_gateway_service_duration_seconds_count"
    assert after.sum(durations) - before.sum(durations) >= 8


def test_refusals_have_their_tenant(wharf: Wharf, api: ApiClient, before: Exposition) -> None:
    """A refusal at the admission counts as a response of the service, for the tenant that asked."""
    assert api.request("PUT", "/v1/files/absent/x", LARGE).status == 404
    assert api.put("x", LARGE, {"If-Match": '"0"'}).status == 412
    assert grown(wharf, before, 2, "wharf_tenant_refusals_total", tenant=api.tenant, reason="other")
    labels = {"operation": "upload_large", "code": "412", "answered_by": "service"}
    assert grown(wharf, before, 1, "wharf_gateway_requests_total", **labels)


def test_nginx_refuses_by_itself(wharf: Wharf, before: Exposition) -> None:
    """A refusal that nginx makes itself is counted by its status, without a tenant."""
    answer = exchange(wharf.port, head("PUT /v1/files/default/x HTTP/1.1", "Connection: close"))
    assert answer[0].status == 411
    assert grown(wharf, before, 1, "wharf_gateway_refusals_total", code="411")
    assert grown(wharf, before, 1, "wharf_gateway_requests_total", code="411", answered_by="nginx")


def test_the_sum_over_tenants_is_all(
    wharf: Wharf, api: ApiClient, tenants: Tenants, before: Exposition
) -> None:
    """Each request is in the counters of exactly one tenant, or of no tenant."""
    other = tenants.tenant()
    for client in (api, other, api.using(None)):
        client.get("/v1/usage")
    name = "wharf_gateway_answers_total"

    def together() -> bool:
        found = scrape(wharf, "nginx")
        everything = found.sum(name)
        by_tenant = found.sum("wharf_tenant_requests_total")
        return everything >= before.sum(name) + 3 and everything == by_tenant

    assert until(together, pause=0.1)


def test_counts_outlive_the_mule(wharf: Wharf, api: ApiClient, before: Exposition) -> None:
    """`kill -9` of the process that collects loses no request and counts none twice."""
    labels = {"operation": "api", "code": "200", "method": "GET"}
    for number in range(20):
        api.get("/v1/usage")
        if number == 10:
            for pid in _mules(wharf):
                os.kill(pid, signal.SIGKILL)
    assert grown(wharf, before, 20, "wharf_gateway_requests_total", **labels)


def _mules(wharf: Wharf) -> list[int]:
    """Return the ids of upload's processes that listen on the stream server's socket."""
    found = []
    for pid in wharf.processes("upload"):
        with open(f"/proc/{pid}/net/unix", encoding="ascii") as file:
            sockets = {
                f"socket:[{line.split()[6]}]" for line in file if line.endswith("/receiver.sock\n")
            }
        held = set()
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):  # the file descriptor was closed after the listing
                held.add(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
        if sockets & held:
            found.append(pid)
    assert found
    return found
