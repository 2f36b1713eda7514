"""The metrics of webhooks: tries, and endpoints that were disabled or missed events."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest
from prometheus_client import REGISTRY

from servicekit.metric_buffers import MetricBuffer
from servicekit.metrics.flushing import flush
from tests.servers.endpoints import added, stored
from tests.servers.upload import UploadService
from wharf_upload.database import endpoint_health, next_deliveries
from wharf_upload.domain.jobs import Effects, Job
from wharf_upload.domain.webhooks import DELIVERY_LANE, Answer, Endpoint, tried
from wharf_upload.observability import delivery_metrics
from wharf_upload.webhooks import webhook_metrics


def drained(buffer: MetricBuffer) -> Counter[tuple[str, ...]]:
    """Return the counts in a buffer, and empty it."""
    found: Counter[tuple[str, ...]] = Counter()
    for labels, amount in buffer.drain():
        found[labels] += int(amount)
    return found


def answered(upload: UploadService, endpoint: Endpoint, answer: Answer) -> tuple[Job, Effects]:
    """Return a job of an endpoint, and the effects of an answer to its request."""
    upload.put("a", b"text")
    upload.records.fan_out.fan_out(endpoint.tenant, endpoint.id)
    (turn,) = upload.records.jobs.take(DELIVERY_LANE, {endpoint.share: 1}, 60)
    job = upload.records.jobs.begin(turn)
    assert job is not None
    seq = int(job.subject.rpartition("/")[2])
    delivery = upload.records.deliveries.delivery(endpoint.tenant, endpoint.id, seq)
    assert delivery is not None
    return job, upload.records.deliveries.tried(endpoint, delivery, tried(delivery, answer))


def test_an_endpoint_that_is_gone(upload: UploadService) -> None:
    """An endpoint that was disabled counts once, when the change has been committed."""
    drained(endpoint_health.disabled)
    endpoint = added(upload).endpoint
    job, effects = answered(upload, endpoint, Answer(at=1_000, status=410))
    assert drained(endpoint_health.disabled) == {}
    upload.records.jobs.done(job, effects)
    assert stored(upload, endpoint).state == "disabled"
    assert drained(endpoint_health.disabled) == {("gone",): 1}


def test_a_commit_that_fails(upload: UploadService) -> None:
    """An endpoint does not count as disabled if the transaction is rolled back."""
    drained(endpoint_health.disabled)
    endpoint = added(upload).endpoint
    job, effects = answered(upload, endpoint, Answer(at=1_000, status=410))

    def failing(*arguments: object) -> None:
        effects(*arguments)
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError):
        upload.records.jobs.done(job, failing)
    assert drained(endpoint_health.disabled) == {}


def test_missed_events(upload: UploadService) -> None:
    """An endpoint that missed events counts once."""
    drained(next_deliveries.gaps)
    endpoint = added(upload).endpoint
    for key in ("a", "b"):
        upload.put(key, b"text")
    # The newest event stays.
    upload.records.forget_events(1 << 60)
    for key in ("c", "d"):
        upload.put(key, b"text")
        upload.records.fan_out.fan_out("demo", endpoint.id)
    assert stored(upload, endpoint).gap_at is not None
    assert drained(next_deliveries.gaps) == {(): 1}


def test_the_exported_metrics() -> None:
    """All results and reasons begin at 0, and a flush adds the buffers to them."""
    delivery_metrics.begin_at_zero()
    flush()

    def value(name: str, **labels: str) -> float:
        found = REGISTRY.get_sample_value(name, labels)
        assert found is not None, name
        return found

    tries = {
        result: value("wharf_webhook_tries_total", result=result)
        for result in get_args(webhook_metrics.Result)
    }
    disabled = {
        reason: value("wharf_webhook_endpoints_disabled_total", reason=reason)
        for reason in get_args(endpoint_health.Reason)
    }
    gaps, count = value("wharf_webhook_gaps_total"), value("wharf_webhook_duration_seconds_count")
    webhook_metrics.tries.note((("again",), 1))
    webhook_metrics.durations.note(((), 0.5))
    endpoint_health.disabled.note((("failing",), 1))
    next_deliveries.gaps.note(((), 1))
    flush()
    assert value("wharf_webhook_tries_total", result="again") == tries["again"] + 1
    assert value("wharf_webhook_tries_total", result="done") == tries["done"]
    assert (
        value("wharf_webhook_endpoints_disabled_total", reason="failing") == disabled["failing"] + 1
    )
    assert value("wharf_webhook_gaps_total") == gaps + 1
    assert value("wharf_webhook_duration_seconds_count") == count + 1
