"""The operations of fan-out, clients, operators and the sweeper on the rows of webhooks."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from loadtests.scale.case import Case
from loadtests.scale.operation import Operation, Run
from loadtests.scale.rows import ENDPOINT, ENDPOINTS
from loadtests.scale.spread import END_MILLISECONDS
from wharf_upload.database.webhook_contract import WebhookRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.webhooks import DELIVERY_LANE, DeliveryState, Endpoint

_PAST, _PAGE, _MOST = 1, 10, 100
_START = ("", "")


def _webhooks(case: Case) -> WebhookRecords:
    return case.records.webhooks


def _endpoint(case: Case) -> Endpoint:
    """Return the endpoint with nearly all deliveries, none of which is open or has a job."""
    tenant = case.everybody[0].name
    with case.records.database.transaction() as connection:
        connection.execute(
            "UPDATE deliveries SET state = 'done' WHERE tenant = ? AND endpoint = ? "
            "AND state = 'open'",
            (tenant, ENDPOINT),
        )
        connection.execute(
            "DELETE FROM jobs WHERE lane = ? AND share = ?",
            (DELIVERY_LANE, f"{tenant}/{ENDPOINT}"),
        )
    found = _webhooks(case).endpoints.endpoint(tenant, ENDPOINT)
    assert found is not None
    return found


def _behind(case: Case) -> Run:
    # More than there are endpoints: so each endpoint costs one look into the events of its tenant.
    return lambda: _webhooks(case).fan_out.behind(_START, 10 * ENDPOINTS)


def _fan_out(case: Case) -> Run:
    endpoint, tenant = _endpoint(case), case.everybody[0]
    _webhooks(case).endpoints.skip_to_now(endpoint.tenant, endpoint.id)
    file = msgspec.structs.replace(case.new_file(), tenant=tenant.name)
    case.records.write(Write(files=(file,)))
    return lambda: _webhooks(case).fan_out.fan_out(endpoint.tenant, endpoint.id)


def _windows(case: Case) -> Run:
    shares = [_endpoint(case).share] * 2
    return lambda: _webhooks(case).fan_out.windows(shares)


def _list(state: DeliveryState | None) -> Callable[[Case], Run]:
    def prepare(case: Case) -> Run:
        endpoint = _endpoint(case)
        return lambda: _webhooks(case).deliveries.deliveries(
            endpoint.tenant, endpoint.id, state=state, limit=_PAGE
        )

    return prepare


def _retry(case: Case) -> Run:
    endpoint = _endpoint(case)
    (newest,) = _webhooks(case).deliveries.deliveries(endpoint.tenant, endpoint.id, limit=1)
    return lambda: _webhooks(case).deliveries.retry(endpoint, newest.seq)


def _test(case: Case) -> Run:
    endpoint = _endpoint(case)
    return lambda: _webhooks(case).deliveries.add_test(endpoint, END_MILLISECONDS)


def _endpoints(case: Case) -> Run:
    return lambda: _webhooks(case).endpoints.endpoints(case.everybody[0].name)


def _all(case: Case) -> Run:
    return lambda: _webhooks(case).endpoints.all_endpoints(_START, ENDPOINTS)


def _forget(case: Case) -> Run:
    return lambda: _webhooks(case).deliveries.forget_deliveries(_PAST)


def _forget_surplus(case: Case) -> Run:
    # An endpoint that has fewer deliveries.
    tenant = case.everybody[1].name
    return lambda: _webhooks(case).deliveries.forget_surplus(tenant, ENDPOINT, _MOST)


WEBHOOK_OPERATIONS = (
    Operation("endpoints with new events", _behind, hot=False, lookups=ENDPOINTS),
    Operation("webhook, next deliveries", _fan_out, hot=False),
    Operation("webhooks, windows", _windows, hot=False, lookups=2),
    Operation("deliveries of a webhook", _list(None), hot=False),
    Operation("failed deliveries of a webhook", _list("failed"), hot=False),
    Operation("delivery, retry", _retry, hot=False, lookups=4),
    Operation("webhook, test", _test, hot=False),
    Operation("webhooks of a tenant", _endpoints, hot=False),
    Operation("webhooks of all tenants", _all, hot=False),
    Operation("forget_deliveries, nothing to do", _forget, hot=False),
    Operation("forget_surplus, nothing to do", _forget_surplus, hot=False),
)
