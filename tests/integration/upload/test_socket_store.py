"""Uploads into a store that is not a folder: its bytes are behind a socket, which may
be slow or fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from servicekit.testing import Issuer
from tests.servers.blob_process import RunningBlobServer, socket_store
from tests.servers.upload import UploadService, assemble, form_body, settings_for

_BODY = os.urandom(3 << 20)  # so large that the service asks the digest daemon for its digest


@pytest.fixture
def upload(
    upload_data: Path, issuer: Issuer, socket_server: RunningBlobServer
) -> Iterator[UploadService]:
    """Yield a service whose bytes are behind the socket."""
    settings = settings_for(upload_data, durability="relaxed")
    service = assemble(settings, issuer, socket_store(socket_server))
    yield service
    service.database.close()


def _small(service: UploadService) -> TestResponse:
    return service.put("a.bin", b"small")


def _spooled(service: UploadService) -> TestResponse:
    return service.put("a.bin", _BODY, spooled=True)


def _form(service: UploadService) -> TestResponse:
    return service.post_form(form_body([("a.bin", b"first"), ("b.bin", b"second")]))


def test_every_way_in(upload: UploadService) -> None:
    """A small body, a spooled body and a form are stored, and read back byte for byte."""
    assert upload.put("small.bin", b"small").status_code == 201
    assert upload.put("spooled.bin", _BODY, spooled=True).status_code == 201
    assert _form(upload).status_code == 201
    assert upload.content("small.bin") == b"small"
    assert upload.content("spooled.bin") == _BODY
    assert (upload.content("a.bin"), upload.content("b.bin")) == (b"first", b"second")
    assert list(upload.store.leftovers()) == []


_FAILURES = [
    (_small, "put"),
    (_spooled, "begin"),
    (_spooled, "append"),
    (_spooled, "commit"),
    (_form, "begin"),
    (_form, "append"),
    (_form, "commit"),
]


@pytest.mark.parametrize(("fault", "status"), [("full", 507), ("busy", 503), ("broken", 500)])
@pytest.mark.parametrize(("send", "operation"), _FAILURES)
def test_failures(
    upload: UploadService,
    socket_server: RunningBlobServer,
    send: Callable[[UploadService], TestResponse],
    operation: str,
    fault: str,
    status: int,
) -> None:
    """A store that fails at any step leads to the status for its kind of error,
    without a row or a blob.
    """
    socket_server.fail(operation, fault)
    assert send(upload).status_code == status
    assert upload.content("a.bin") is None
    assert upload.content("b.bin") is None
    assert upload.blobs() == set()
    assert list(upload.store.leftovers()) == []
    assert send(upload).status_code == 201


@pytest.mark.parametrize(
    ("send", "operation"), [(_small, "make_durable"), (_spooled, "make_durable")]
)
def test_names_that_are_not_durable(
    upload: UploadService,
    socket_server: RunningBlobServer,
    send: Callable[[UploadService], TestResponse],
    operation: str,
) -> None:
    """A file whose name cannot be made durable gets no row."""
    socket_server.fail(operation, "broken")
    assert send(upload).status_code == 500
    assert upload.content("a.bin") is None
    assert upload.blobs() == set()


@pytest.mark.parametrize(("send", "operation"), [(_small, "put"), (_spooled, "commit")])
def test_a_lost_answer(
    upload: UploadService,
    socket_server: RunningBlobServer,
    send: Callable[[UploadService], TestResponse],
    operation: str,
) -> None:
    """A blob whose response was lost has no row, and the sweeper removes it."""
    socket_server.fail(operation, "lost")
    assert send(upload).status_code == 500
    assert upload.content("a.bin") is None
    assert len(upload.blobs()) == 1
    assert upload.sweep().rowless_blobs == 1
    assert upload.blobs() == set()


def test_slow(upload: UploadService, socket_server: RunningBlobServer) -> None:
    """Uploads into a slow store succeed."""
    for operation in ("put", "begin", "append", "commit", "make_durable"):
        socket_server.delay(operation, 0.05)
    assert upload.put("small.bin", b"small").status_code == 201
    assert upload.put("spooled.bin", _BODY, spooled=True).status_code == 201
    assert upload.content("small.bin") == b"small"
    assert upload.content("spooled.bin") == _BODY


def test_refused_content_is_taken_back(upload: UploadService) -> None:
    """A body that is refused after the store has received its bytes leaves no blob."""
    refused = upload.put("a.bin", _BODY, {"Content-Digest": f"sha-256=:{'A' * 43}=:"}, spooled=True)
    assert refused.status_code == 400, refused.text
    assert upload.blobs() == set()
    assert list(upload.store.leftovers()) == []


def test_readiness(upload: UploadService, socket_server: RunningBlobServer) -> None:
    """A store that closes the connection without a response makes the service unready."""
    socket_server.fail("check", "cut")
    assert upload.request("GET", "/readyz").status_code == 503
    assert upload.request("GET", "/readyz").json is not None
