"""Resumable uploads whose last bytes arrive while the object store fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.faulty_store import Fault, answer, silent, swallow
from tests.servers.receiver import ReceiverClient, receiving
from tests.servers.upload_invariants import live
from tests.servers.upload_on_s3 import LARGE, SPOOLED, OnS3, waiting

BUSY = answer(503, "SlowDown")


@pytest.fixture
def receiver(scene: OnS3) -> Iterator[ReceiverClient]:
    """Yield a stream server on the service behind the proxy."""
    with receiving(scene.service) as found:
        yield found


@pytest.mark.parametrize(
    ("operation", "fault"),
    [("put", BUSY), ("put", silent), ("put", swallow), ("complete_multipart", BUSY)],
    ids=["busy", "silent", "stored", "parts"],
)
def test_the_end(scene: OnS3, receiver: ReceiverClient, operation: str, fault: Fault) -> None:
    """The service keeps the last bytes while the store fails. The client's next request
    makes the file, once.
    """
    content = SPOOLED if operation == "put" else LARGE
    address = receiver.create(len(content))
    scene.proxy.order(operation, last=fault)
    with waiting(0.4):
        last = receiver.patch(address, 0, content)
    assert (last.status, last.slug) == (503, "unavailable")
    assert live(scene.service) == {}
    scene.proxy.heal()
    assert receiver.offset(address) == len(content)
    assert scene.content("tus.bin") == content
    scene.assert_swept()
