"""Slices of one file that arrive at the same time, at several processes and at several replicas."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from servicekit.testing import Issuer
from tests.servers.slices import SLICE, Sliced, document, refused
from tests.servers.upload import UploadService, assemble, settings_for
from tests.servers.upload_databases import database_url
from tests.servers.upload_invariants import assert_sound, live
from wharf_upload.maintenance import upload_sweeper

__all__ = ["database_url"]
_FILES, _COUNT = 6, 12


@pytest.fixture(params=["process", "database"])
def services(
    tmp_path: Path, database_url: str, issuer: Issuer, request: pytest.FixtureRequest
) -> Iterator[list[UploadService]]:
    """Yield three services on the same data: workers of one machine, or replicas."""
    leases = request.param
    found: list[UploadService] = []
    for name in ("a", "b", "c"):
        replica = {"instance": name, "leases": "database"} if leases == "database" else {}
        settings = settings_for(tmp_path, database_url=database_url, **replica)
        service = assemble(settings, issuer)
        service._spooled = 1000 * len(found)
        found.append(service)
    yield found
    for service in found:
        service.database.close()


def assert_swept(service: UploadService) -> None:
    """Assert that a later sweep removes all partial uploads. Repeated slices may leave some."""
    later = service.context.clock() + 1000
    upload_sweeper.sweep(
        service.context.uploads,
        service.context.parts,
        expiry_seconds=100_000,
        clock=lambda: later,
    )
    assert os.listdir(service.settings.resumable_folder) == []


class Sender(threading.Thread):
    """A client that sends slices of a file to a service, one after the other."""

    def __init__(self, sliced: Sliced, uuid: str, indexes: list[int]) -> None:
        super().__init__(daemon=True)
        self._sliced, self._uuid, self._indexes = sliced, uuid, indexes
        self.statuses: list[int] = []

    def run(self) -> None:
        """Send the slices."""
        for index in self._indexes:
            reply = self._sliced.send(index, dzuuid=self._uuid)
            self.statuses.append(reply.status_code)


def test_each_slice_is_joined(services: list[UploadService]) -> None:
    """In any order of slices, each is acknowledged, and the last one makes the file.

    Some slices are sent twice, as by a client that did not receive the response.
    """
    for number in range(_FILES):
        content = os.urandom(_COUNT * SLICE - number)
        order = [*range(_COUNT), *random.choices(range(_COUNT), k=3)]
        random.shuffle(order)
        senders = [
            Sender(Sliced(service, content, f"{number}.bin"), f"uuid-{number}", order[at::3])
            for at, service in enumerate(services)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(60)
        statuses = [status for sender in senders for status in sender.statuses]
        assert len(statuses) == len(order)
        assert set(statuses) <= {201, 202}
        assert 201 in statuses, order
        assert live(services[0])[f"{number}.bin"] == hashlib.sha256(content).hexdigest()
    usage = services[0].records.usage("demo")
    assert usage.files == _FILES
    assert_sound(services[0])
    assert_swept(services[0])


def test_one_file_uses_a_ticket_once(services: list[UploadService], issuer: Issuer) -> None:
    """A ticket for one file accepts all slices of this file, in any order."""
    ticket = {"bucket": "default", "prefix": "", "max_files": 1}
    token = issuer.token(tid="demo", scope="files:write", ticket=ticket)
    headers = {"Authorization": f"Bearer {token}"}
    content = os.urandom(_COUNT * SLICE)
    senders = [
        Sender(Sliced(service, content, headers=headers), "uuid", list(range(at, _COUNT, 3)))
        for at, service in enumerate(services)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
    statuses = [status for sender in senders for status in sender.statuses]
    assert len(statuses) == _COUNT
    assert set(statuses) <= {201, 202}
    assert live(services[0]) == {"photo.bin": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize("whole", [False, True])
def test_a_slice_while_a_refused_file_is_removed(
    services: list[UploadService], monkeypatch: pytest.MonkeyPatch, *, whole: bool
) -> None:
    """A slice at another process gets the reason as soon as a refused file's bytes are removed.

    The file is refused at its first slice, or when it is `whole`.
    """
    first, other, _ = services
    policy = b'{"allowed_types": ["image/*"]}'
    first.request("PUT", "/v1/buckets/photos", policy, {"Content-Type": "application/json"})
    content = b"<!doctype html><title>a</title>" + bytes(2 * SLICE)
    at_first, at_other = [
        Sliced(one, content[: SLICE + 9] if whole else content, "photo.png", bucket="photos")
        for one in (first, other)
    ]
    if whole:
        assert at_other.send(1).status_code == 202
    late: list[TestResponse] = []
    client = threading.Thread(target=lambda: late.append(at_other.send(1)), daemon=True)
    discard = first.context.parts.discard

    def discarded(upload: str) -> None:
        discard(upload)
        client.start()
        client.join(1)  # with shared leases, the other process waits for the end of this request

    monkeypatch.setattr(first.context.parts, "discard", discarded)
    assert refused(at_first.send(0)) == (415, "type-not-allowed")
    client.join(60)
    assert refused(late[0]) == (409, "slices-refused")
    assert "text/html" in document(late[0])["detail"]
