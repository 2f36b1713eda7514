"""Resumable uploads while the database is locked or the disk is full."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from servicekit.testing import Issuer
from tests.integration.upload.test_database_away import held
from tests.integration.upload.test_full_disk import fill
from tests.servers.filesystems import disk
from tests.servers.receiver import Answer, ReceiverClient, answer_of, receiving
from tests.servers.upload import (
    UploadService,
    assemble,
    copy_database,
    faults_in_counts,
    settings_for,
)
from tests.servers.upload_invariants import assert_sound, live
from tests.servers.wharf.raw_http import until
from wharf_upload.maintenance import upload_sweeper

_MEGABYTES = 24
OF_JSON = {"Content-Type": "application/json"}


@pytest.fixture
def receiver(upload: UploadService) -> Iterator[ReceiverClient]:
    """Yield a stream server on a service for this test alone."""
    with receiving(upload) as found:
        yield found


@pytest.fixture
def cramped(upload_template: Path, issuer: Issuer, tmp_path: Path) -> Iterator[ReceiverClient]:
    """Yield a stream server of a service on a small disk."""
    with disk(tmp_path, _MEGABYTES) as own:
        copy_database(upload_template, own.folder / "data")
        service = assemble(settings_for(own.folder / "data"), issuer)
        with closing(service.database), receiving(service) as found:
            yield found


def database(receiver: ReceiverClient) -> Path:
    """Return the path of the database."""
    return receiver.service.settings.data / "upload" / "upload.db"


def assert_unavailable(answer: Answer) -> None:
    """Assert a 503 with `Retry-After`."""
    assert (answer.status, answer.slug) == (503, "unavailable"), answer.body
    assert int(answer.headers["Retry-After"]) > 0


def test_locked_at_the_creation(receiver: ReceiverClient) -> None:
    """A creation that cannot be recorded gets 503 and leaves nothing."""
    with held(database(receiver)):
        assert_unavailable(receiver.creation(10))
        assert list(receiver.service.context.parts.all()) == []
    assert receiver.offset(receiver.create(10)) == 0
    assert faults_in_counts(receiver.service.database) == []


def test_locked_at_the_end(receiver: ReceiverClient) -> None:
    """The service keeps last bytes that it cannot record, and the next request makes the file."""
    address = receiver.create(6)
    assert receiver.patch(address, 0, b"abc").status == 204
    with held(database(receiver)):
        assert_unavailable(receiver.patch(address, 3, b"def"))
        assert live(receiver.service) == {}
        assert receiver.service.blobs() == set()
    assert receiver.offset(address) == 6
    assert receiver.service.content("tus.bin") == b"abcdef"
    assert_sound(receiver.service)


def test_bytes_that_cannot_be_removed(
    receiver: ReceiverClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload ends although its bytes cannot be removed, and the sweeper removes them later."""
    complete, deleted, refused = (receiver.create(size) for size in (6, 6, 5))
    service, unlink = receiver.service, os.unlink
    policy = json.dumps({"max_file_bytes": 4}).encode()

    def failing(path: str, **more: Any) -> None:
        if "/resumable/" in str(path):
            raise OSError(errno.EIO, "Input/output error", path)
        unlink(path, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing)
        assert receiver.patch(complete, 0, b"abcdef").status == 204
        assert receiver.request("DELETE", deleted).status == 204
        assert service.request("PUT", "/v1/buckets/default", policy, OF_JSON).status_code < 300
        assert receiver.patch(refused, 0, b"abcde").status == 413
        assert receiver.head(refused).status == 404
    assert len(list(service.context.parts.all())) == 3
    assert service.content("tus.bin") == b"abcdef"
    later = time.time() + service.settings.upload_expiry_seconds + 600
    uploads, parts = service.context.uploads, service.context.parts
    upload_sweeper.sweep(uploads, parts, expiry_seconds=1, clock=lambda: later)
    assert list(parts.all()) == []
    assert_sound(service)


def test_bytes_need_no_database(receiver: ReceiverClient) -> None:
    """While the database cannot be written, a request in the middle of an upload succeeds, and a
    request that must record something is refused without a byte.
    """
    address, deferred = receiver.create(6), receiver.create(None)
    with held(database(receiver)):
        assert receiver.patch(address, 0, b"abc").status == 204
        assert receiver.offset(address) == 3
        checked = {"Upload-Checksum": "sha1 " + "A" * 27 + "="}
        assert_unavailable(receiver.patch(address, 3, b"def", checked))
        # The bytes of an upload without a length are counted before they arrive.
        assert_unavailable(receiver.patch(deferred, 0, b"123"))
    assert receiver.offset(address) == 3
    assert receiver.patch(address, 3, b"def").status == 204
    assert receiver.offset(deferred) == 0
    assert receiver.patch(deferred, 0, b"123456", {"Upload-Length": "6"}).status == 204
    assert faults_in_counts(receiver.service.database) == []
    assert_sound(receiver.service)


def test_no_room_for_an_announced_length(cramped: ReceiverClient) -> None:
    """An upload that cannot fit is refused with 507 at its creation."""
    fill(cramped.service, leave=1 << 20)
    answer = cramped.creation(4 << 20)
    assert (answer.status, answer.slug) == (507, "storage-full"), answer.body
    assert list(cramped.service.context.parts.all()) == []
    assert cramped.service.records.usage("demo").files == 0


def test_the_disk_fills_up_meanwhile(cramped: ReceiverClient) -> None:
    """A stream that fills the disk gets 507, and its received bytes are kept. When space is free
    again, it and other uploads continue.
    """
    content = os.urandom(4 << 20)
    address = cramped.create(len(content))
    small = cramped.create(3)
    stream = cramped.begin(address, 0, len(content))
    stream.sendall(content[: 1 << 20])
    filler = fill(cramped.service, leave=512 << 10)
    answer = answer_of(stream, content[1 << 20 :])
    assert (answer.status, answer.slug) == (507, "storage-full"), answer.body
    assert cramped.head(small).status == 200
    offset = cramped.offset(address)
    assert 0 < offset < len(content)
    filler.unlink()
    cramped.service.context.receiving.room._look_at = 0.0
    assert cramped.patch(small, 0, b"abc").status == 204
    assert cramped.patch(address, offset, content[offset:]).status == 204
    # Both uploads have the name tus.bin.
    assert cramped.service.content("tus (2).bin") == content
    assert_sound(cramped.service)


def test_streams_share_no_room(cramped: ReceiverClient) -> None:
    """If the disk has space for one of two streams, the second stream gets a 507.

    The first stream releases its reservation when its connection is closed.
    """
    reservations = cramped.service.context.reservations
    first, second = cramped.create(4 << 20), cramped.create(4 << 20)
    fill(cramped.service, leave=6 << 20)
    stream = cramped.begin(first, 0, 4 << 20)
    stream.sendall(b"x" * (1 << 20))
    assert until(lambda: reservations.reserved().bodies == 1)
    answer = answer_of(cramped.begin(second, 0, 4 << 20))
    assert (answer.status, answer.slug) == (507, "storage-full"), answer.body
    assert until(lambda: cramped.service.context.receiving.body_room.streamed() == 1 << 20)
    stream.close()
    assert until(lambda: reservations.reserved().bodies == 0)


def test_no_room_to_join(cramped: ReceiverClient) -> None:
    """Parts stay while the disk has no space to join them, and are joined when space is free."""
    halves = [os.urandom(3 << 20), os.urandom(3 << 20)]
    partial = {"Upload-Concat": "partial", "Upload-Metadata": ""}
    parts = [cramped.create(len(half), partial) for half in halves]
    for part, half in zip(parts, halves, strict=True):
        assert cramped.patch(part, 0, half).status == 204
    filler = fill(cramped.service, leave=2 << 20)
    joining = {"Upload-Concat": "final;" + " ".join(parts), "Upload-Defer-Length": ""}
    answer = cramped.creation(None, joining)
    assert (answer.status, answer.slug) == (507, "storage-full"), answer.body
    assert cramped.offset(parts[0]) == len(halves[0])
    # The final upload, which no client knows, does not count.
    assert cramped.service.records.usage("demo").files == len(parts)
    filler.unlink()
    cramped.service.context.receiving.room._look_at = 0.0
    assert cramped.creation(None, joining).status == 201
    assert cramped.service.content("tus.bin") == b"".join(halves)
    assert faults_in_counts(cramped.service.database) == []
    assert_sound(cramped.service)


def test_a_creation_with_bytes_that_fails(cramped: ReceiverClient) -> None:
    """A creation whose bytes fill the disk gets 507 and leaves no upload, because its client would
    not know the address.
    """
    content = os.urandom(4 << 20)
    octets = {
        "Upload-Length": str(len(content)),
        "Upload-Metadata": "filename YQ==",
        "Content-Type": "application/offset+octet-stream",
    }
    stream = cramped.open("POST", "/v1/uploads", len(content), octets)
    stream.sendall(content[: 1 << 20])
    fill(cramped.service, leave=512 << 10)
    answer = answer_of(stream, content[1 << 20 :])
    assert (answer.status, answer.slug) == (507, "storage-full"), answer.body
    assert cramped.service.records.usage("demo").files == 0
    assert list(cramped.service.context.parts.all()) == []
