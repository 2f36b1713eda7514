"""The metric families of the collector's counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from wharf_upload.observability.nginx_logs.requests import (
    BOUNDS,
    CLASSES,
    Counted,
    Durations,
    Operation,
)
from wharf_upload.observability.nginx_logs.tenants import REASONS, Tenants, Traffic

_STATUS = re.compile(
    rb"Active connections: (\d+) \nserver accepts handled requests\n (\d+) (\d+) (\d+) \n"
    rb"Reading: (\d+) Writing: (\d+) Waiting: (\d+)"
)
_REASONS = (*dict.fromkeys(REASONS.values()), "other")


def of_requests(counted: Counted) -> Iterator[Metric]:
    """Yield the families of requests, by operation."""
    operations = counted.operations
    requests = CounterMetricFamily(
        "wharf_gateway_requests",
        "Requests with a response.",
        labels=("operation", "method", "code", "answered_by"),
    )
    for name, operation in operations.items():
        for key, count in operation.requests.items():
            requests.add_metric((name, *key.split()), count)
    yield requests
    answers = CounterMetricFamily(
        "wharf_gateway_answers",
        "Requests by class of their response.",
        labels=("operation", "class"),
    )
    for name, operation in operations.items():
        for which in CLASSES:
            answers.add_metric((name, which), operation.answers.get(which, 0))
    yield answers
    yield _durations(
        "wharf_gateway_request_duration_seconds",
        "Time from the first byte of a request to the last byte of its response.",
        {name: operation.durations for name, operation in operations.items()},
    )
    yield _durations(
        "wharf_gateway_service_duration_seconds",
        "The part of the request's time in which nginx waited for services.",
        {name: operation.service_durations for name, operation in operations.items()},
    )
    yield from _bytes(operations)
    yield _counter(
        "wharf_gateway_refusals", "Errors that nginx itself responded.", "code", counted.refusals
    )
    yield _counter(
        "wharf_collector_lines", "Lines of nginx that were read.", "result", counted.lines
    )


def of_store(counted: Counted) -> Iterator[Metric]:
    """Yield the families of nginx's reads from the object store."""
    yield _counter(
        "wharf_gateway_store_reads",
        "Requests of nginx to the object store, for downloads.",
        "code",
        counted.store_reads,
    )
    family = HistogramMetricFamily(
        "wharf_gateway_store_first_byte_seconds",
        "Time from nginx's request to the object store to the first byte of the response.",
    )
    family.add_metric((), _buckets(counted.store_durations), counted.store_durations.total)
    yield family


def _counter(name: str, help_text: str, label: str, counts: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=(label,))
    for value, count in counts.items():
        family.add_metric((value,), count)
    return family


def _bytes(operations: Mapping[str, Operation]) -> Iterator[Metric]:
    for way, what in (("received", "requests"), ("sent", "responses")):
        family = CounterMetricFamily(
            f"wharf_gateway_{way}_bytes", f"Bytes of {what}.", labels=("operation",)
        )
        for name, operation in operations.items():
            family.add_metric((name,), getattr(operation, f"{way}_bytes"))
        yield family


def _durations(name: str, help_text: str, by_operation: Mapping[str, Durations]) -> Metric:
    family = HistogramMetricFamily(name, help_text, labels=("operation",))
    for operation, durations in by_operation.items():
        family.add_metric((operation,), _buckets(durations), durations.total)
    return family


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    """Return for each bound the number of observations that are not larger."""
    bounds = map(str, (*BOUNDS, "+Inf"))
    return list(zip(bounds, map(float, accumulate(durations.counts)), strict=True))


def of_tenants(tenants: Tenants) -> Iterator[Metric]:
    """Yield the families of traffic, by tenant."""
    shown = tenants.shown()
    yield _by_tenant("requests", "Requests by tenant.", shown, "class", CLASSES, "answers")
    yield _by_tenant(
        "refusals", "Refused requests by tenant.", shown, "reason", _REASONS, "refusals"
    )
    for name, help_text in (
        ("received_bytes", "Bytes of requests by tenant."),
        ("sent_bytes", "Bytes of responses by tenant."),
        ("service_seconds", "Time that services spent on a tenant's requests."),
    ):
        family = CounterMetricFamily(f"wharf_tenant_{name}", help_text, labels=("tenant",))
        for tenant, traffic in shown.items():
            family.add_metric((tenant,), getattr(traffic, name))
        yield family
    yield GaugeMetricFamily(
        "wharf_tenants_tracked", "Tenants with a separate label.", value=len(tenants.named)
    )


def _by_tenant(
    name: str,
    help_text: str,
    shown: Mapping[str, Traffic],
    label: str,
    values: tuple[str, ...],
    attribute: str,
) -> Metric:
    family = CounterMetricFamily(f"wharf_tenant_{name}", help_text, labels=("tenant", label))
    for tenant, traffic in shown.items():
        counts = getattr(traffic, attribute)
        for value in values:
            family.add_metric((tenant, value), counts.get(value, 0))
    return family


def of_nginx(status: bytes | None) -> Iterator[Metric]:
    """Yield nginx's own metrics; `status` is the text of `stub_status`, `None` if nginx is down."""
    found = _STATUS.match(status or b"")
    up = "1 if nginx's stub_status responds, else 0."
    yield GaugeMetricFamily("wharf_nginx_up", up, value=found is not None)
    if found is None:
        return
    active, accepted, handled, requests, *states = (int(number) for number in found.groups())
    connections = GaugeMetricFamily(
        "wharf_nginx_connections", "Connections of clients.", labels=("state",)
    )
    for state, count in zip(
        ("active", "reading", "writing", "waiting"), (active, *states), strict=True
    ):
        connections.add_metric((state,), count)
    yield connections
    for name, help_text, count in (
        ("connections_accepted", "Connections since nginx was started.", accepted),
        ("connections_handled", "Accepted connections that nginx did not drop.", handled),
        ("requests", "Requests since nginx was started.", requests),
    ):
        yield CounterMetricFamily(f"wharf_nginx_{name}", help_text, value=count)
