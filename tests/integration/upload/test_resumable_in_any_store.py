"""Resumable uploads, and large forms, into a store that is behind a socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.blob_process import RunningBlobServer, socket_store
from tests.servers.receiver import ReceiverClient, receiving
from tests.servers.upload import (
    UploadService,
    assemble,
    faults_in_counts,
    form_body,
    settings_for,
)
from wharf_upload.storage.errors import StoreBusy
from wharf_upload.storage.partial_uploads import PartialUpload

_BODY = os.urandom(300_000)
_FAULTS = pytest.mark.parametrize(("fault", "status"), [("full", 507), ("broken", 500)])


@pytest.fixture
def service(
    upload_data: Path, issuer: Issuer, socket_server: RunningBlobServer
) -> Iterator[UploadService]:
    """Yield a service whose blobs are behind the socket, and whose partial uploads are on disk."""
    settings = settings_for(upload_data, durability="relaxed")
    found = assemble(settings, issuer, socket_store(socket_server))
    yield found
    found.database.close()


@pytest.fixture
def receiver(service: UploadService) -> Iterator[ReceiverClient]:
    """Yield the service's stream server."""
    with receiving(service) as client:
        yield client


def test_completion(receiver: ReceiverClient) -> None:
    """An upload in two requests becomes one intact blob, and its partial upload is removed."""
    address = receiver.create(len(_BODY))
    assert receiver.patch(address, 0, _BODY[:100_000]).status == 204
    assert receiver.patch(address, 100_000, _BODY[100_000:]).status == 204
    assert receiver.service.content("tus.bin") == _BODY
    assert list(receiver.service.context.parts.all()) == []


def test_concatenation(receiver: ReceiverClient) -> None:
    """A final upload joins its parts into one blob of the store."""
    partial = {"Upload-Concat": "partial", "Upload-Metadata": ""}
    addresses = [receiver.create(3, partial), receiver.create(2, partial)]
    for address, body in zip(addresses, (b"abc", b"de"), strict=True):
        assert receiver.patch(address, 0, body).status == 204
    final = {"Upload-Concat": f"final;{' '.join(addresses)}", "Upload-Length": ""}
    assert receiver.creation(None, {**final, "Upload-Defer-Length": ""}).status == 201
    assert receiver.service.content("tus.bin") == b"abcde"


@pytest.mark.parametrize("operation", ["begin", "append", "commit"])
@_FAULTS
def test_a_store_that_fails(
    receiver: ReceiverClient,
    socket_server: RunningBlobServer,
    operation: str,
    fault: str,
    status: int,
) -> None:
    """If the store fails at any step, no file and no blob exist. The next
    request completes the upload.
    """
    address = receiver.create(len(_BODY))
    socket_server.fail(operation, fault)
    assert receiver.patch(address, 0, _BODY).status == status
    service = receiver.service
    assert service.content("tus.bin") is None
    assert service.blobs() == set()
    assert receiver.offset(address) == len(_BODY)
    assert service.content("tus.bin") == _BODY
    assert faults_in_counts(service.database) == []


def test_a_slow_store(receiver: ReceiverClient, socket_server: RunningBlobServer) -> None:
    """An upload into a slow store succeeds."""
    for operation in ("begin", "append", "commit", "make_durable"):
        socket_server.delay(operation, 0.05)
    address = receiver.create(len(_BODY))
    assert receiver.patch(address, 0, _BODY).status == 204
    assert receiver.service.content("tus.bin") == _BODY


def test_taken_over_before_the_commit(
    receiver: ReceiverClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partial upload that another replica takes over during its adoption becomes no file."""

    def taken_over(_: PartialUpload) -> None:
        raise StoreBusy("another process is receiving this upload")

    address = receiver.create(3)
    with monkeypatch.context() as patch:
        patch.setattr(PartialUpload, "require_current", taken_over)
        assert receiver.patch(address, 0, b"abc").status == 503
    service = receiver.service
    assert service.content("tus.bin") is None
    assert service.blobs() == set()
    assert receiver.offset(address) == 3
    assert service.content("tus.bin") == b"abc"


def test_a_large_form(service: UploadService) -> None:
    """Files of a form that are larger than their head are stored byte for byte."""
    reply = service.post_form(form_body([("a.bin", _BODY), ("b.bin", _BODY[::-1])]))
    assert reply.status_code == 201, reply.text
    assert service.content("a.bin") == _BODY
    assert service.content("b.bin") == _BODY[::-1]
    assert list(service.store.leftovers()) == []
