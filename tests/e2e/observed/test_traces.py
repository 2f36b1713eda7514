"""Traces: Wharf uses a well-formed `traceparent`, and each upload is one trace."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.servers.otlp import Collector, Span
from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import until

STAGES = {"admission", "receive", "hash", "fsync", "commit"}
# Each value is malformed in one way (W3C Trace Context, section 3.2).
MALFORMED = {
    "other version's length": "00-{trace}-{parent}-01-more",
    "version ff": "ff-{trace}-{parent}-01",
    "no trace": "00-00000000000000000000000000000000-{parent}-01",
    "no parent": "00-{trace}-0000000000000000-01",
    "upper case": "00-{TRACE}-{parent}-01",
    "short": "00-{trace}-{parent}",
    "no hex": "00-{trace}-{parent}-0g",
    "words": "x",
    "blank": "00-{trace}-{parent}-01 x",
}


def parent_of(trace: str, parent: str, form: str = "00-{trace}-{parent}-01") -> str:
    """Return a field value in one of the forms."""
    return form.format(trace=trace, parent=parent, TRACE=trace.upper().replace("0", "A"))


def names(spans: list[Span]) -> set[str]:
    return {span.name for span in spans}


def line_of(wharf: Wharf, name: str, request_id: str) -> dict[str, Any]:
    """Wait for the first line of a request in a log, and return the line."""

    def found() -> list[dict[str, Any]]:
        return [line for line in wharf.log_lines(name) if line.get("request_id") == request_id]

    assert until(found)
    return found()[0]


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["in-memory", "spooled"])
def test_an_upload_is_one_trace(
    wharf: Wharf, api: ApiClient, collector: Collector, content: bytes
) -> None:
    """All stages of an upload through nginx are spans below the span of the caller."""
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    answer = api.put("traced", content, {"Traceparent": parent_of(trace, parent)})
    assert answer.status == 201
    requests = 1 if content == SMALL else 2

    def roots() -> list[Span]:
        return [span for span in collector.trace(trace) if span.parent_id == parent]

    assert until(lambda: names(collector.trace(trace)) >= STAGES and len(roots()) == requests)
    spans = collector.trace(trace)
    identifiers = {span.span_id for span in roots()}
    for span in spans:
        assert span.service == "wharf-upload"
        assert span.began <= span.ended
        if span.name in STAGES:
            assert span.parent_id in identifiers
    last = roots()[-1]
    assert last.name == "PUT /v1/files/{bucket}/{key}"
    assert last.attributes["wharf.tenant"] == api.tenant
    assert last.attributes["http.response.status_code"] == "201"
    assert last.attributes["wharf.request_id"] == answer.header("X-Request-Id")
    (receive,) = (span for span in spans if span.name == "receive")
    (digest,) = (span for span in spans if span.name == "hash")
    assert receive.began <= digest.began <= digest.ended <= receive.ended


def test_a_resumable_upload_is_traced(wharf: Wharf, api: ApiClient, collector: Collector) -> None:
    """The end of a resumable upload is in the trace of the request with the last bytes."""
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    begun = api.put("resumed", b"", {"Upload-Complete": "?0"})
    fields = {
        "Traceparent": parent_of(trace, parent),
        "Content-Type": "application/partial-upload",
        "Upload-Offset": "0",
        "Upload-Complete": "?1",
    }
    answer = api.request("PATCH", begun.header("Location"), SMALL, fields)
    assert answer.status == 201, answer.body
    assert until(lambda: names(collector.trace(trace)) >= {"admission", "receive", "commit"})


def test_logs_have_the_trace(wharf: Wharf, api: ApiClient) -> None:
    """The log lines of the gateway and the service contain the id of the caller's trace."""
    trace = secrets.token_hex(16)
    answer = api.put("logged", SMALL, {"Traceparent": parent_of(trace, secrets.token_hex(8))})
    request_id = answer.header("X-Request-Id")
    for name in ("access", "upload"):
        assert line_of(wharf, name, request_id)["trace_id"] == trace
    gateway = line_of(wharf, "access", request_id)
    assert gateway["tenant"] == api.tenant
    assert gateway["subject"]
    assert gateway["operation"] == "upload_small"


def test_later_versions_count(wharf: Wharf, api: ApiClient) -> None:
    """Wharf uses the known fields of a traceparent of a later version, and ignores the rest."""
    trace = secrets.token_hex(16)
    field = parent_of(trace, secrets.token_hex(8), "cc-{trace}-{parent}-01-what-comes")
    answer = api.get("/v1/usage", {"Traceparent": field})
    assert line_of(wharf, "access", answer.header("X-Request-Id"))["trace_id"] == trace


@pytest.mark.parametrize("form", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_field_begins_a_new_trace(
    wharf: Wharf, api: ApiClient, collector: Collector, form: str
) -> None:
    """nginx and the service both ignore a malformed field, and log the same new trace."""
    trace = secrets.token_hex(16)
    answer = api.get("/v1/usage", {"Traceparent": parent_of(trace, secrets.token_hex(8), form)})
    assert answer.status == 200
    request_id = answer.header("X-Request-Id")
    made = line_of(wharf, "access", request_id)["trace_id"]
    assert made != trace
    assert line_of(wharf, "upload", request_id)["trace_id"] == made
    assert until(lambda: collector.trace(made))
    (root,) = collector.trace(made)
    assert root.parent_id == ""
    assert collector.trace(trace) == []


def test_nobody_else_sees_who_asks(wharf: Wharf, api: ApiClient) -> None:
    """Fields that the services send to the gateway's log do not reach the client."""
    answers = [api.put("x", SMALL), api.put("x", LARGE), api.file("x"), api.get("/v1/usage")]
    answers.append(api.put("x", LARGE, {"If-Match": '"0"'}))
    for answer in answers:
        assert not any(name.lower().startswith("x-wharf") for name in answer.headers)


def test_no_span_has_a_credential(wharf: Wharf, api: ApiClient, collector: Collector) -> None:
    """No span contains a ticket or a token in its name or attributes."""
    trace = secrets.token_hex(16)
    field = {"Traceparent": parent_of(trace, secrets.token_hex(8))}
    token = api.token or ""
    api.using(None).request("PUT", f"/u/{token}/x", SMALL, field)
    api.get(f"/s/{token}", field)
    api.get(f"/v1/usage?access_token={token}", field)
    assert until(lambda: len(collector.trace(trace)) >= 3)
    for span in collector.trace(trace):
        assert token.rpartition(".")[2] not in repr(span)
