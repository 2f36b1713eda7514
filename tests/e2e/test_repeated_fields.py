"""Repeated header fields: one parser could use the first field, and another parser the last."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import exchange, head

CONTENT = b"content"


def digest(content: bytes) -> str:
    """Return the value of a digest field."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def put(wharf: Wharf, api: ApiClient, *fields: str) -> tuple[int, str]:
    """Upload with these fields, and return the status and the slug of the problem."""
    request = head(
        "PUT /v1/files/default/key HTTP/1.1",
        f"Authorization: Bearer {api.token}",
        f"Content-Length: {len(CONTENT)}",
        "Connection: close",
        *fields,
    )
    answer = exchange(wharf.port, request + CONTENT)[-1]
    return answer.status, answer.slug


@pytest.mark.parametrize(
    "fields",
    [
        ("Authorization: Bearer other",),
        ("Content-Length: 7",),
        ("Host: other",),
        ('If-Match: "a"', 'If-Match: "b"'),
        ("If-None-Match: *", 'If-None-Match: "b"'),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ],
    ids=lambda fields: fields[0].split(":")[0],
)
def test_a_repeated_field_is_refused(wharf: Wharf, api: ApiClient, fields: tuple[str, ...]) -> None:
    """A request that repeats a field for authorization, host, condition or length gets a 400."""
    assert put(wharf, api, *fields) == (400, "malformed-request")
    assert api.listed() == []


@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
def test_the_last_of_two_digests_counts(wharf: Wharf, api: ApiClient, field: str) -> None:
    """If two digest members have the same name, the last member counts (RFC 8941, 3.2)."""
    right, wrong = (f"{field}: {digest(content)}" for content in (CONTENT, b"other"))
    assert put(wharf, api, right, wrong) == (400, "digest-mismatch")
    assert api.listed() == []
    assert put(wharf, api, wrong, right) == (201, "")
