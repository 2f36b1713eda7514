"""The tus extension Checksum: Wharf keeps a request's bytes only if they match the checksum."""

from __future__ import annotations

import base64
import hashlib
import os
import socket

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tus_client import Tus


def checksum(algorithm: str, content: bytes) -> dict[str, str]:
    """Return the field `Upload-Checksum` for some bytes."""
    digest = hashlib.new(algorithm, content, usedforsecurity=False).digest()
    return {"Upload-Checksum": f"{algorithm} {base64.b64encode(digest).decode()}"}


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_right_bytes(tus: Tus, api: ApiClient, algorithm: str) -> None:
    """Bytes with the announced checksum are stored."""
    content = os.urandom(5_000_000)
    address = tus.created(len(content), filename="sum.bin")
    half = len(content) // 2
    assert tus.patch(address, 0, content[:half], checksum(algorithm, content[:half])).status == 204
    assert (
        tus.patch(address, half, content[half:], checksum(algorithm, content[half:])).status == 204
    )
    assert api.file("sum.bin").body == content


def test_wrong_bytes_are_thrown_away(tus: Tus, api: ApiClient) -> None:
    """Bytes with a wrong checksum get 460, and the upload continues at its previous offset."""
    content = os.urandom(6_000_000)
    address = tus.created(len(content), filename="again.bin")
    assert tus.patch(address, 0, content[:4_000_000]).status == 204
    damaged = bytes(2_000_000)
    found = tus.patch(address, 4_000_000, damaged, checksum("sha1", content[4_000_000:]))
    found.problem(460, "checksum-mismatch")
    assert tus.offset(address) == 4_000_000
    good = content[4_000_000:]
    assert tus.patch(address, 4_000_000, good, checksum("sha1", good)).status == 204
    stored = api.file("again.bin")
    assert stored.body == content
    # The digest covers only the stored bytes, and not the discarded bytes.
    expected = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert stored.header("Repr-Digest") == f"sha-256=:{expected}:"


def test_half_of_a_checked_request_is_nothing(tus: Tus) -> None:
    """If the connection breaks, Wharf discards all bytes of a request with a checksum."""
    content = os.urandom(1_000_000)
    address = tus.created(len(content))
    field = checksum("sha1", content)["Upload-Checksum"]
    request = (
        f"PATCH {address} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {tus.api.token}\r\n"
        "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        "Content-Type: application/offset+octet-stream\r\n"
        f"Upload-Checksum: {field}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", tus.api.port), timeout=30) as connection:
        connection.sendall(request.encode() + content[:500_000])
    assert until(lambda: tus.offset(address) == 0)


@pytest.mark.parametrize("value", ["crc32 AAAA", "sha1", "sha1 !!", "sha1 AAAA", "sha256"])
def test_unknown_checksums(tus: Tus, value: str) -> None:
    """An unsupported algorithm or an invalid checksum gets a 400."""
    address = tus.created(3)
    answer = tus.patch(address, 0, b"123", {"Upload-Checksum": value})
    answer.problem(400, "malformed-request")
    assert tus.offset(address) == 0
