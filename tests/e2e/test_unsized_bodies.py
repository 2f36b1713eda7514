"""Bodies without a length (ADR 58): the gateway accepts only the bytes that admission allows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.servers.wharf.api_client import SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import CONTENT_TYPE, file_part, multipart_body
from tests.servers.wharf.raw_http import RawConnection, exchange, head, until
from tests.servers.wharf.tenants import Signer, set_limits
from tests.servers.wharf.traces import nothing_stored, traces

LIMIT = 1000
# `client_max_body_size` of the gateway for routes that receive no file.
OTHER_LIMIT = 128 << 10
CHUNKED = "Transfer-Encoding: chunked"
# A form may have a mebibyte of other parts in addition to its only file.
FORM_LIMIT = LIMIT + (1 << 20)
EVERYTHING_OF_A_BUCKET = {"v": 1, "own": [["default", "", "rwdl"]], "s": "files:write"}
TUS = ("Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream")


def put(api: ApiClient, ticket: str) -> tuple[str, ...]:
    """Return the request line and fields of a PUT with a token."""
    return ("PUT /v1/files/narrow/a HTTP/1.1", f"Authorization: Bearer {api.token}")


def put_by_ticket(api: ApiClient, ticket: str) -> tuple[str, ...]:
    """Return the request line of a PUT with a ticket in its address."""
    return (f"PUT /u/{ticket}/a HTTP/1.1",)


def form_by_ticket(api: ApiClient, ticket: str) -> tuple[str, ...]:
    """Return the request line and fields of a form with a ticket in its address."""
    return (f"POST /u/{ticket} HTTP/1.1", f"Content-Type: {CONTENT_TYPE}")


def part(api: ApiClient, ticket: str) -> tuple[str, ...]:
    """Return the request line and fields of a PUT that begins a file in parts."""
    return (*put(api, ticket), "Upload-Complete: ?0", "Content-Type: application/partial-upload")


def creation(api: ApiClient, ticket: str) -> tuple[str, ...]:
    """Return the request line and fields of a tus upload that is created with its first bytes."""
    fields = (f"Upload-Length: {LIMIT}", "Upload-Metadata: key YQ==,bucket bmFycm93")
    bearer = f"Authorization: Bearer {api.token}"
    return ("POST /v1/uploads HTTP/1.1", bearer, *TUS, *fields)


def patch(api: ApiClient, ticket: str) -> tuple[str, ...]:
    """Create a tus upload, and return the request line and fields of its PATCH."""
    fields = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(LIMIT),
        "Upload-Metadata": "key YQ==,bucket bmFycm93",
    }
    made = api.request("POST", "/v1/uploads", headers=fields)
    assert made.status == 201, made.body
    bearer = f"Authorization: Bearer {api.token}"
    line = f"PATCH {made.header('Location')} HTTP/1.1"
    return (line, bearer, *TUS, "Upload-Offset: 0")


def under_way(wharf: Wharf, tenant: str) -> int:
    """Return how many bodies of a tenant have a reservation."""
    (path,) = (wharf.data / "upload").glob("under_way-*.db")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        found = database.execute(
            "SELECT count(*) FROM bodies_under_way WHERE tenant = ?", (tenant,)
        )
        return int(found.fetchone()[0])


WAYS: list[tuple[Callable[[ApiClient, str], tuple[str, ...]], int]] = [
    (put, LIMIT),
    (put_by_ticket, LIMIT),
    (form_by_ticket, FORM_LIMIT),
    (part, LIMIT),
    (creation, LIMIT),
    (patch, LIMIT),
]


@pytest.mark.parametrize(("way", "limit"), WAYS, ids=[way.__name__ for way, _ in WAYS])
def test_a_body_is_cut_while_it_comes(
    wharf: Wharf,
    api: ApiClient,
    signer: Signer,
    way: Callable[[ApiClient, str], tuple[str, ...]],
    limit: int,
) -> None:
    """A body without a length over the limit gets a 413 before its end, and leaves nothing."""
    api.send_json("PUT", "/v1/buckets/narrow", {"max_file_bytes": LIMIT})
    ticket = signer.token(
        tid=api.tenant,
        scope="files:write",
        ticket={"bucket": "narrow", "prefix": "in/", "max_files": 1},
    )
    line, *fields = way(api, ticket)
    with nothing_stored(wharf, api.tenant), RawConnection(wharf.port) as connection:
        connection.send(head(line, *fields, CHUNKED) + b"%x\r\n" % (2 * limit) + bytes(2 * limit))
        (answer,) = connection.answers()
        assert (answer.status, answer.slug) == (413, "too-large")
    told = answer.json()
    assert (told["limit"], told["limit_bytes"]) == ("body without a length", limit)
    assert "has no length" in told["detail"]
    assert "Content-Length" in told["detail"]


def test_what_is_left_of_a_quota(wharf: Wharf, api: ApiClient, signer: Signer) -> None:
    """A body without a length may use the rest of the tenant's quota; a longer body is cut."""
    set_limits(signer, api.tenant, max_bytes=100_000)
    api.stored("first", bytes(90_000))
    request = head(
        "PUT /v1/files/default/a HTTP/1.1", f"Authorization: Bearer {api.token}", CHUNKED
    )
    with nothing_stored(wharf, api.tenant), RawConnection(wharf.port) as connection:
        connection.send(request + b"5000\r\n" + bytes(0x5000))
        (answer,) = connection.answers()
    assert (answer.status, answer.json()["limit_bytes"]) == (413, 10_000)
    # The refusal of a client with narrow grants does not show how much of the quota is left.
    assert until(lambda: under_way(wharf, api.tenant) == 0)
    narrow = signer.token(tid=api.tenant, scope="files:write", grants=EVERYTHING_OF_A_BUCKET)
    request = head("PUT /v1/files/default/a HTTP/1.1", f"Authorization: Bearer {narrow}", CHUNKED)
    with RawConnection(wharf.port) as connection:
        connection.send(request + b"5000\r\n" + bytes(0x5000))
        (answer,) = connection.answers()
    told = answer.json()
    assert (answer.status, told["limit"]) == (413, "body without a length")
    assert "limit_bytes" not in told
    assert "no space for more" in told["detail"]
    assert until(lambda: under_way(wharf, api.tenant) == 0)
    assert api.put("a", iter([bytes(10_000)])).status == 201


def test_room_ends_with_requests_that_the_service_never_hears_of(
    wharf: Wharf, api: ApiClient
) -> None:
    """Bodies that are cut, and clients that disconnect, leave no reservation behind."""
    api.send_json("PUT", "/v1/buckets/narrow", {"max_file_bytes": LIMIT})
    for way in (put, patch):
        line, *fields = way(api, "")
        (answer,) = exchange(wharf.port, head(line, *fields, CHUNKED) + b"2000\r\n" + bytes(9))
        assert answer.status == 413
    with RawConnection(wharf.port) as one, RawConnection(wharf.port) as other:
        line, bearer = put(api, "")
        one.send(head(line, bearer, CHUNKED) + b"100\r\n")
        line = line.replace("narrow", "default")
        other.send(head(line, bearer, "Content-Length: 200000") + bytes(1000))
        assert until(lambda: under_way(wharf, api.tenant) >= 2)
    assert until(lambda: under_way(wharf, api.tenant) == 0)
    assert not traces(wharf, api.tenant).spool


@pytest.mark.parametrize("path", ["/v1/buckets/default", "/auth/oauth/token", "/v1/uploads/x"])
def test_other_bodies_are_small(wharf: Wharf, api: ApiClient, path: str) -> None:
    """On other routes a body of 192 KiB without a length gets a 413."""
    bearer = f"Authorization: Bearer {api.token}"
    for size in (OTHER_LIMIT, OTHER_LIMIT + 1):
        chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (size, bytes(size))
        for framing, body in ((CHUNKED, chunked), (f"Content-Length: {size}", bytes(size))):
            with nothing_stored(wharf, api.tenant), RawConnection(wharf.port) as connection:
                # No route has this method, so a body within the limit changes nothing.
                connection.send(head(f"PROPFIND {path} HTTP/1.1", bearer, framing))
                connection.send(body)
                (answer,) = connection.answers()
            is_cut = (answer.status, answer.slug) == (413, "too-large")
            assert is_cut is (size > OTHER_LIMIT), (size, framing, answer)


def test_a_form_that_fits(api: ApiClient) -> None:
    """A form without a length is stored like a form with a length."""
    body = multipart_body(file_part("b.txt", SMALL))
    assert api.post_body(iter([body[:10], body[10:]])).status == 201
    assert api.file("b.txt").body == SMALL
