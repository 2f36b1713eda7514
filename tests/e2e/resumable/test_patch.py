"""`PATCH /v1/uploads/{id}`, which appends bytes at an offset.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import os
import socket

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.tus_client import OCTETS, TUS, Tus


def test_bytes_in_pieces(tus: Tus, api: ApiClient) -> None:
    """Pieces at their offsets make the file, with the right content."""
    content = os.urandom(3_000_000)
    address = tus.created(len(content), filename="pieces.bin")
    for begin in range(0, len(content), 1_000_000):
        answer = tus.patch(address, begin, content[begin : begin + 1_000_000])
        assert answer.status == 204
        assert answer.header("Upload-Offset") == str(begin + 1_000_000)
    assert api.file("pieces.bin").body == content


def test_wrong_offset(tus: Tus) -> None:
    """A PATCH with a wrong offset is refused with the right offset, and changes nothing."""
    address = tus.created(10)
    assert tus.patch(address, 0, b"12345").status == 204
    found = tus.patch(address, 3, b"45678").problem(409, "mismatching-upload-offset")
    assert found["expected_offset"] == 5
    assert tus.offset(address) == 5


def test_past_the_end(tus: Tus) -> None:
    """Row 70: a request that exceeds its upload's length is refused, and no byte is stored."""
    address = tus.created(10)
    found = tus.patch(address, 0, b"x" * 11).problem(413, "too-large")
    assert found["limit_bytes"] == 10
    assert tus.offset(address) == 0


@pytest.mark.parametrize("size", [10, 300_000])
def test_content_type(tus: Tus, size: int) -> None:
    """A PATCH with another Content-Type gets a 415."""
    address = tus.created(size)
    answer = tus.patch(address, 0, b"x" * size, {"Content-Type": "text/plain"})
    answer.problem(415, "unsupported-media-type")


def test_offset_is_needed(tus: Tus) -> None:
    """A PATCH without an offset, or with an offset that is no number, gets a 400."""
    address = tus.created(10)
    for value in ("-1", "abc", "1e2"):
        tus.patch(address, 0, b"x", {"Upload-Offset": value}).problem(400, "malformed-request")
    sent = {**TUS, "Content-Type": OCTETS}
    tus.api.request("PATCH", address, b"x", sent).problem(400, "malformed-request")


def test_a_broken_connection_keeps_what_came(tus: Tus, api: ApiClient) -> None:
    """Wharf stores the bytes that arrive before a connection breaks.

    The upload then continues after these bytes.
    """
    content = os.urandom(2_000_000)
    address = tus.created(len(content), filename="broken.bin")
    tus.cut(address, 0, len(content), content[:1_500_000])
    # The gateway may have some bytes in a buffer of 64 KiB, which are lost.
    assert until(lambda: tus.offset(address) >= 1_500_000 - 65_536)
    offset = tus.offset(address)
    assert tus.patch(address, offset, content[offset:]).status == 204
    assert api.file("broken.bin").body == content


def test_deferred_length(tus: Tus, api: ApiClient) -> None:
    """A client may set a deferred length later, but only once and not below the current offset."""
    address = tus.created(None, filename="later.bin")
    assert tus.head(address).header("Upload-Defer-Length") == "1"
    assert tus.patch(address, 0, b"12345").status == 204
    short = tus.patch(address, 5, b"6", {"Upload-Length": "4"})
    short.problem(400, "inconsistent-upload-length")
    assert tus.patch(address, 5, b"678", {"Upload-Length": "10"}).status == 204
    other = tus.patch(address, 8, b"9", {"Upload-Length": "11"})
    other.problem(400, "inconsistent-upload-length")
    assert tus.patch(address, 8, b"9!").status == 204
    assert api.file("later.bin").body == b"123456789!"


def test_a_forbidden_type_is_stopped_early(tus: Tus, api: ApiClient) -> None:
    """An upload whose first bytes show a forbidden type is refused early and deleted."""
    assert (
        api.send_json("PUT", "/v1/buckets/pictures", {"allowed_types": ["image/*"]}).status == 201
    )
    address = tus.created(100_000_000, bucket="pictures", filename="x.png")
    answer = tus.patch(address, 0, b"<html><script>alert(1)</script>" + b" " * 200_000)
    found = answer.problem(415, "type-not-allowed")
    assert found["media_type"] == "text/html"
    assert tus.head(address).status == 404
    assert api.get("/v1/usage").json()["bytes"] == 0


def test_other_people(tus: Tus, signer: Signer) -> None:
    """Another tenant or another client of the tenant cannot access an upload (row 67)."""
    address = tus.created(10)
    for stranger in (Tus(signer.client()), Tus(signer.client(tid=tus.api.tenant))):
        for answer in (
            stranger.patch(address, 0, b"12345"),
            stranger.patch(address, 0, b"x" * 200_000),
            stranger.head(address),
            stranger.delete(address),
        ):
            assert answer.status == 404
    assert tus.offset(address) == 0


def test_a_fresh_token_goes_on(tus: Tus, signer: Signer, api: ApiClient) -> None:
    """An upload that one token began continues with a new token of the same client."""
    owner = signer.claims(tid=api.tenant, sub="long-runner")
    first = Tus(api.using(signer.token(tid=api.tenant, sub="long-runner", jti="one")))
    address = first.created(10, filename="long.bin")
    assert first.patch(address, 0, b"12345").status == 204
    second = Tus(api.using(signer.token(tid=api.tenant, sub=owner["sub"], jti="two")))
    assert second.patch(address, 5, b"67890").status == 204
    assert api.file("long.bin").body == b"1234567890"


def test_the_newer_request_ends_the_older(tus: Tus, api: ApiClient) -> None:
    """A new request takes an upload over from a connection that hangs."""
    content = os.urandom(1_000_000)
    address = tus.created(len(content), filename="hanging.bin")
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as hanging:
        lines = (
            f"PATCH {address} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api.token}\r\n"
            f"Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: {OCTETS}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        hanging.sendall(lines.encode() + content[:400_000])
        assert until(lambda: tus.offset(address) > 0)
        offset = tus.offset(address)
        assert tus.patch(address, offset, content[offset:]).status == 204
    assert api.file("hanging.bin").body == content


def test_method_override(tus: Tus, api: ApiClient) -> None:
    """A client that cannot send PATCH can send POST with `X-HTTP-Method-Override`."""
    address = tus.created(5, filename="override.bin")
    sent = {**TUS, "Upload-Offset": "0", "Content-Type": OCTETS, "X-HTTP-Method-Override": "PATCH"}
    assert api.request("POST", address, b"12345", sent).status == 204
    assert api.file("override.bin").body == b"12345"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_safe_method_stays_safe(tus: Tus, api: ApiClient, method: str) -> None:
    """GET and HEAD never end an upload, even with a method override (RFC 9110, 9.2.1)."""
    address = tus.created(5, filename="kept.bin")
    sent = {**TUS, "X-HTTP-Method-Override": "DELETE"}
    answer = api.request(method, address, headers=sent)
    assert (answer.status, answer.header("Upload-Offset")) == (200, "0")
    assert tus.offset(address) == 0


def test_the_last_answer_was_lost(tus: Tus) -> None:
    """A request without bytes at the end of a complete upload gets a 204 with the full offset."""
    address = tus.created(3, filename="lost.bin")
    assert tus.patch(address, 0, b"abc").status == 204
    answer = tus.patch(address, 3, b"")
    assert (answer.status, answer.header("Upload-Offset")) == (204, "3")
    tus.patch(address, 3, b"d").problem(409, "mismatching-upload-offset")
