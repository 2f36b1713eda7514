"""Requests that parsers could read differently, and oversized requests (rows 8, 9).

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import exchange, head
from tests.servers.wharf.traces import nothing_stored


def put_head(api: ApiClient, *fields: str, key: str = "refused") -> bytes:
    """Return the request head of a PUT."""
    bearer = f"Authorization: Bearer {api.token}"
    return head(f"PUT /v1/files/default/{key} HTTP/1.1", bearer, *fields)


SMUGGLED = (
    b"DELETE /v1/files/default/victim HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n\r\n"
)


@pytest.mark.parametrize(
    "fields",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Content-Length: 5"),
        ("Content-Length: 5, 5",),
        ("Content-Length: +5",),
        ("Content-Length: -5",),
        ("Content-Length: 5e0",),
        ("Content-Length: 0x5",),
        ("Content-Length: 9223372036854775808",),
        ("Content-Length: NaN",),
        ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding : chunked",),
        ("Content-Length : 5",),
    ],
    ids="|".join,
)
def test_an_ambiguous_length_is_refused(
    wharf: Wharf, api: ApiClient, fields: tuple[str, ...]
) -> None:
    """Row 8: an ambiguous length gets a 400, 411 or 501, and the connection ends."""
    api.stored("victim")
    token = (api.token or "").encode()
    with nothing_stored(wharf, api.tenant):
        request = put_head(api, *fields) + b"0\r\n\r\n" + SMUGGLED % token
        answers = exchange(wharf.port, request)
        assert [answer.status for answer in answers] in ([400], [501], [411])
        assert answers[0].slug or answers[0].status == 400
    assert api.file("victim").status == 200


def test_bare_line_feeds_in_chunks_smuggle_nothing(wharf: Wharf, api: ApiClient) -> None:
    """Row 8: chunks with bare line feeds never make the server run a request inside the body."""
    api.stored("victim")
    token = (api.token or "").encode()
    inner = SMUGGLED % token
    for body in (
        b"5\n12345\n0\n\n",
        b"5;x\n%b" % inner,
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner),
        b"0;\n%b\r\n" % inner,
        b"\n%b" % inner,
        b"2\r\nxx%b\r\n0\r\n\r\n" % inner,
    ):
        fields = put_head(api, "Transfer-Encoding: chunked", key="bare")
        answers = exchange(wharf.port, fields + body)
        assert len(answers) <= 1
        assert all(answer.status in (201, 400) for answer in answers)
        assert api.file("victim").status == 200


def _name(number: int) -> str:
    """Return a short name for a header field."""
    return f"{chr(97 + number % 26)}{number // 26:x}"


@pytest.mark.parametrize("size", [1000, 9000, 15_000, 20_000, 23_000, 60_000, 63_500, 200_000])
@pytest.mark.parametrize("fields", [1, 3, 60, 5000])
def test_large_headers_never_break_the_service(
    wharf: Wharf, api: ApiClient, size: int, fields: int
) -> None:
    """Row 9: header fields of any size are accepted or refused with a 4xx, never with a 5xx."""
    own = [f"{_name(number)}: {'x' * (size // fields)}" for number in range(fields)]
    for line in ("GET /v1/usage HTTP/1.1", "PUT /v1/files/default/h HTTP/1.1"):
        bearer = (f"Authorization: Bearer {api.token}", "Content-Length: 0", "Connection: close")
        answers = exchange(wharf.port, head(line, *bearer, *own))
        assert len(answers) == 1
        assert answers[0].status in (200, 201, 431), answers[0].body
        assert (answers[0].slug == "headers-too-large") == (answers[0].status == 431)
