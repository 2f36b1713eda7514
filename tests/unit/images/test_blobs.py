"""Blobs for small pictures, which are read from the gateway's socket and kept in memory."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.servers.image_files import LOCATION, BlobsSocket, blobs_socket
from wharf_images.blobs import BlobGone, Blobs, BlobsUnavailable, is_signed, tenant_of
from wharf_images.formats import MAX_FILE_BYTES, NoPicture

CONTENT = b"GIF89a" + bytes(range(256)) * 4000


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[BlobsSocket]:
    """Yield the gateway's socket for bytes."""
    with blobs_socket(tmp_path) as found:
        yield found


def fetch(gateway: BlobsSocket) -> bytes:
    """Return the bytes of the test's blob."""
    descriptor = Blobs(str(gateway.path)).fetch(LOCATION)
    try:
        return os.pread(descriptor, MAX_FILE_BYTES, 0)
    finally:
        os.close(descriptor)


def test_bytes_come_whole(gateway: BlobsSocket) -> None:
    """The service requests the blob by its location, and gets all bytes."""
    gateway.files[LOCATION] = CONTENT
    assert fetch(gateway) == CONTENT
    assert gateway.asked == [f"GET /_bytes/{LOCATION} HTTP/1.0"]


def test_bytes_on_an_object_store(gateway: BlobsSocket) -> None:
    """The signed address of a blob in an object store is sent unchanged, in one header field."""
    gateway.files[LOCATION] = CONTENT
    signed = "/bucket/prefix/blob?X-Amz-Signature=00"
    os.close(Blobs(str(gateway.path)).fetch(LOCATION, signed))
    assert gateway.fields == [f"X-Wharf-Blob: {signed}"]


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", True),
        ("/b/p/1?X-Amz-Date=1&X-Amz-Signature=%2F", True),
        ("b/p", False),
        ("/b c", False),
        ("/b\r\nX: y", False),
        ("/b\n", False),
        ("/ü", False),
        ("/" + "a" * 4001, False),
    ],
)
def test_signed_addresses(text: str, *, allowed: bool) -> None:
    """A signed address is empty, or has at most 4,000 printable characters after a slash."""
    assert is_signed(text) is allowed


def test_they_cannot_be_changed(gateway: BlobsSocket) -> None:
    """The memory file is sealed: neither its content nor its length can change."""
    gateway.files[LOCATION] = CONTENT
    descriptor = Blobs(str(gateway.path)).fetch(LOCATION)
    with pytest.raises(PermissionError):
        os.write(descriptor, b"x")
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 1)
    os.close(descriptor)


def test_a_blob_that_is_gone(gateway: BlobsSocket) -> None:
    """If the gateway returns 404, `BlobGone` is raised, which is no failure of the service."""
    with pytest.raises(BlobGone):
        fetch(gateway)


def head(length: object) -> bytes:
    """Return the head of a response."""
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nGIF89a",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        head(100) + b"GIF89a",
        head(100) + b"GIF89a" + bytes(90),
        head("-1") + b"GIF89a",
        b"HTTP/1.1 200 OK\r\nX: " + bytes(70_000),
    ],
)
def test_an_answer_that_is_none(gateway: BlobsSocket, answer: bytes) -> None:
    """A response that is truncated, has another status or no length raises `BlobsUnavailable`."""
    gateway.raw[LOCATION] = answer
    with pytest.raises(BlobsUnavailable):
        fetch(gateway)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (head(MAX_FILE_BYTES + 1) + CONTENT, "too-large"),
        (head(10**9) + b"<html>", "too-large"),
        (head(10**8) + b"<html> and much more", "unknown"),
        (head(0), "unknown"),
        (head(3) + b"GIF", "unknown"),
    ],
)
def test_what_has_no_picture_is_not_fetched(
    gateway: BlobsSocket, answer: bytes, outcome: str
) -> None:
    """A file whose length or first bytes allow no small picture is refused without more reading."""
    gateway.raw[LOCATION] = answer
    with pytest.raises(NoPicture) as refused:
        fetch(gateway)
    assert refused.value.reason == outcome


def test_a_gateway_that_is_away(tmp_path: Path) -> None:
    """An absent socket, or a socket that does not respond, raises `BlobsUnavailable`."""
    with pytest.raises(BlobsUnavailable):
        Blobs(str(tmp_path / "none.sock")).fetch(LOCATION)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen()
        with pytest.raises(BlobsUnavailable):
            Blobs(str(tmp_path / "silent.sock"), timeout_seconds=0.05).fetch(LOCATION)


def test_a_gateway_that_is_slow(gateway: BlobsSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The timeout applies to the whole response, even when bytes keep arriving."""
    gateway.files[LOCATION] = CONTENT
    hours = itertools.count(0, 3600)
    monkeypatch.setattr("wharf_images.blobs.time", SimpleNamespace(monotonic=lambda: next(hours)))
    with pytest.raises(BlobsUnavailable, match="too slowly"):
        fetch(gateway)


def test_no_descriptor_is_left_open(gateway: BlobsSocket) -> None:
    """No descriptor stays open after a failed request."""
    before = len(os.listdir("/proc/self/fd"))
    gateway.raw[LOCATION] = head(100) + b"GIF89a"
    for _ in range(20):
        with pytest.raises(BlobsUnavailable):
            fetch(gateway)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


@pytest.mark.parametrize(
    "location",
    [
        "",
        "acme",
        "acme/0a",
        "acme/0a/",
        "../0a/0123",
        "acme/../0123",
        "acme/0a/../../x",
        "acme/0a/0123/..",
        "Acme/0a/0123",
        "acme/0A/0123",
        "acme/0a/0123\n",
        "acme/0a/0123 HTTP/1.1\r\nHost: x",
        "acme/0a/%2e%2e",
        "acme/0a/0123?x",
        "/acme/0a/0123",
        "ácme/0a/0123",
    ],
)
def test_what_is_no_location(location: str) -> None:
    """Only a tenant, two hex digits and a blob are accepted as a location."""
    assert tenant_of(location) is None


def test_a_location_names_its_tenant() -> None:
    """The first part of a blob's location is the tenant."""
    assert tenant_of(LOCATION) == "acme"
