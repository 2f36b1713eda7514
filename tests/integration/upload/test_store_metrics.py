"""The metrics of the object store's client, as Prometheus reads them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.servers.exposition import Exposition

_NOTED = """
from wharf_upload.observability import metrics, store_metrics
from wharf_upload.storage.s3 import metrics as store
from servicekit.metrics import flush
{begin}
for operation, outcome, seconds, sent, received in {requests}:
    store.requests.note(((operation, outcome), 1))
    store.seconds.note(((operation,), seconds))
    if sent:
        store.sent_bytes.note(((operation,), sent))
    if received:
        store.received_bytes.note(((operation,), received))
flush()
import sys
from prometheus_client import REGISTRY, generate_latest
print(generate_latest(REGISTRY).decode())
print("# boto3" if "boto3" in sys.modules or "botocore" in sys.modules else "")
"""
REQUESTS = "wharf_upload_store_requests_total"
SECONDS = "wharf_upload_store_request_seconds"
BYTES = "wharf_upload_store_bytes_total"


def exported(requests: list[tuple[str, str, float, int, int]], *, begin: bool) -> Exposition:
    """Return the metrics that a separate process exports after these requests."""
    script = _NOTED.format(
        begin="store_metrics.begin_at_zero()" if begin else "", requests=repr(requests)
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "# boto3" not in done.stdout
    return Exposition(done.stdout)


def test_requests_are_counted_by_operation_and_outcome() -> None:
    """Each request is counted once, with its duration and with its bytes by direction."""
    page = exported(
        [
            ("put", "ok", 0.02, 1000, 0),
            ("put", "ok", 0.2, 500, 0),
            ("put", "denied", 0.001, 0, 0),
            ("get", "ok", 0.4, 0, 70),
            ("head", "missing", 0.004, 0, 0),
        ],
        begin=True,
    )
    assert page.values(REQUESTS, operation="put", outcome="ok") == [2]
    assert page.values(REQUESTS, operation="put", outcome="denied") == [1]
    assert page.values(REQUESTS, operation="head", outcome="missing") == [1]
    assert page.values(f"{SECONDS}_count", operation="put") == [3]
    assert page.values(f"{SECONDS}_sum", operation="put") == [pytest.approx(0.221)]
    assert page.values(f"{SECONDS}_bucket", operation="put", le="0.025") == [2]
    assert page.values(BYTES, operation="put", direction="sent") == [1500]
    assert page.values(BYTES, operation="get", direction="received") == [70]


def test_labels_begin_with_zero() -> None:
    """Before the first request each combination of labels exists with 0, and there are
    few of them.
    """
    page = exported([], begin=True)
    assert page.values(REQUESTS) == [0.0] * 66
    assert page.values(f"{SECONDS}_count") == [0.0] * 11
    assert page.values(BYTES) == [0.0] * 3


def test_a_wharf_on_the_disk_has_no_series() -> None:
    """Without an object store no metric of one is exported, and boto3 is not loaded."""
    page = exported([], begin=False)
    ours = [
        one
        for family in text_string_to_metric_families(page.text)
        for one in family.samples
        if one.name.startswith("wharf_upload_store_")
    ]
    assert ours == []
