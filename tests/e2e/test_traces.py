"""Tests of `traces` and `nothing_stored`, which check the e2e tests and must be able to fail."""

from __future__ import annotations

import pytest

from tests.servers.wharf import traces
from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import RawConnection, head, until


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["in-memory", "spooled"])
def test_a_stored_file_is_noticed(
    wharf: Wharf, api: ApiClient, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nothing_stored` notices a file by its blob and its rows of files, events and usage."""
    monkeypatch.setattr(traces, "PATIENCE_SECONDS", 0.5)
    with (
        pytest.raises(AssertionError, match="blobs"),
        traces.nothing_stored(wharf, api.tenant),
    ):
        api.stored("key", content)
    tables = {row[0] for row in traces.rows(wharf, api.tenant)}
    assert tables == {"files", "events", "usage"}


def test_a_body_under_way_is_noticed(wharf: Wharf, api: ApiClient) -> None:
    """`traces` shows a body that nginx still spools, until its client disconnects."""
    bearer = f"Authorization: Bearer {api.token}"
    with RawConnection(wharf.port) as connection:
        request = head("PUT /v1/files/default/x HTTP/1.1", bearer, "Content-Length: 9000000")
        connection.send(request + b"x" * 3_000_000)
        assert until(lambda: traces.traces(wharf, api.tenant).spool)
    assert until(lambda: not traces.traces(wharf, api.tenant).spool)
