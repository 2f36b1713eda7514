"""Tests of how long signed links last with the default settings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.servers.upload import UploadService
from tests.unit.upload.test_ends_of_links import link_in

WEEK, FIVE_MINUTES = 7 * 24 * 3600, 300


def post(upload: UploadService, **wanted: Any) -> TestResponse:
    body = json.dumps({"bucket": "default", "key": "a", **wanted}).encode()
    return upload.request("POST", "/v1/links", body, {"Content-Type": "application/json"})


def seconds(upload: UploadService, reply: TestResponse) -> int:
    """Return the lifetime of a new link in seconds, from the second in which it was made."""
    assert reply.status_code == 201, reply.text
    link = link_in(reply.get_json()["url"])
    (row,) = upload.database.reading().rows(
        "SELECT created_at, expires_at FROM links WHERE id = ?", (link.id,)
    )
    assert row[1] == 1000 * link.expires_at
    return int(link.expires_at - row[0] // 1000)


def test_how_long_a_link_is_good(upload: UploadService) -> None:
    """A link lasts as long as asked, and an hour if the request states no time."""
    upload.put("a", b"x")
    assert seconds(upload, post(upload)) == 3600
    assert seconds(upload, post(upload, expires_in=1)) == 1
    assert seconds(upload, post(upload, expires_in=3601)) == 3601


@pytest.mark.parametrize(("longest", "more"), [(WEEK, {}), (FIVE_MINUTES, {"listed": False})])
def test_the_longest_link(upload: UploadService, longest: int, more: dict[str, Any]) -> None:
    """A listed link lasts at most a week, and an unlisted one at most five minutes."""
    upload.put("a", b"x")
    assert post(upload, expires_in=longest, **more).status_code == 201
    refused = post(upload, expires_in=longest + 1, **more)
    assert (refused.status_code, refused.get_json()["limit_seconds"]) == (422, longest)
