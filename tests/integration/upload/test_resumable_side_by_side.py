"""Concurrent requests for resumable uploads, at a stream server without a gateway."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.database import DatabaseUnavailable
from tests.servers.receiver import ReceiverClient, answer_of, receiving
from tests.servers.upload import UploadService, faults_in_counts
from tests.servers.upload_invariants import assert_sound, live
from tests.servers.wharf.raw_http import until
from wharf_upload.maintenance import integrity, upload_sweeper
from wharf_upload.storage.base import BlobName
from wharf_upload.uploads.commit import FileCommit
from wharf_upload.uploads.resumable.held import HeldUploads

PARTIAL = {"Upload-Concat": "partial", "Upload-Metadata": ""}


@pytest.fixture
def receiver(upload: UploadService) -> Iterator[ReceiverClient]:
    """Yield a stream server on a service for this test alone."""
    with receiving(upload) as found:
        yield found


def final(*parts: str) -> dict[str, str]:
    """Return the fields that create a final upload."""
    return {"Upload-Concat": "final;" + " ".join(parts), "Upload-Defer-Length": ""}


def part_file(receiver: ReceiverClient, address: str) -> Path:
    """Return the path of a partial upload's file."""
    return receiver.service.settings.resumable_folder / address.rpartition("/")[2]


def arrived(receiver: ReceiverClient, address: str, size: int) -> bool:
    """Wait until `size` bytes are on the disk, and tell whether they are."""
    return until(lambda: part_file(receiver, address).stat().st_size == size)


def sha1(content: bytes) -> dict[str, str]:
    """Return the field `Upload-Checksum`."""
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return {"Upload-Checksum": f"sha1 {base64.b64encode(digest).decode()}"}


def test_a_part_that_is_done_leaves_the_others_alone(receiver: ReceiverClient) -> None:
    """If the final upload exists already, the end of one part does not cut the
    request for another part.
    """
    parts = [receiver.create(6, PARTIAL), receiver.create(6, PARTIAL)]
    whole = receiver.create(None, final(*parts))
    slow = receiver.begin(parts[0], 0, 6)
    slow.sendall(b"abc")
    assert arrived(receiver, parts[0], 3)
    assert receiver.patch(parts[1], 0, b"ghijkl").status == 204
    assert receiver.head(whole).status == 200
    # This is long enough for a stream to end after a request to stop.
    time.sleep(0.5)
    answer = answer_of(slow, b"def")
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, "6")
    assert receiver.service.content("tus.bin") == b"abcdefghijkl"
    assert_sound(receiver.service)


def test_unverified_bytes_are_not_joined(receiver: ReceiverClient) -> None:
    """The unverified bytes of a killed request with a checksum do not complete its part."""
    parts = [receiver.create(6, PARTIAL), receiver.create(6, PARTIAL)]
    service = receiver.service
    name = parts[0].rpartition("/")[2]
    # This is the state after kill -9 between the last byte and its verification.
    found = service.context.uploads.get("demo", name)
    assert found is not None
    service.context.uploads.progress(found, expires_at=found.expires_at, discard_from=0, size=6)
    part_file(receiver, parts[0]).write_bytes(b"WRONG!")
    assert receiver.patch(parts[1], 0, b"ghijkl").status == 204
    whole = receiver.create(None, final(*parts))
    assert live(service) == {}
    assert "Upload-Offset" not in receiver.head(whole).headers
    assert receiver.offset(parts[0]) == 0
    assert receiver.patch(parts[0], 0, b"abcdef", sha1(b"abcdef")).status == 204
    assert service.content("tus.bin") == b"abcdefghijkl"


def test_crowds_at_one_upload_hold_nobody_up(receiver: ReceiverClient) -> None:
    """Many concurrent requests for an upload under way all end within ten seconds, and another
    upload succeeds.
    """
    address = receiver.create(1000)
    writer = receiver.begin(address, 0, 1000)
    writer.sendall(b"x" * 10)
    assert arrived(receiver, address, 10)
    statuses: list[int] = []
    crowd = [
        threading.Thread(target=lambda: statuses.append(receiver.head(address).status), daemon=True)
        for _ in range(40)
    ]
    began = time.monotonic()
    for one in crowd:
        one.start()
    other = receiver.create(3)
    assert receiver.patch(other, 0, b"abc").status == 204
    for one in crowd:
        one.join(60)
    # A request gives up waiting for a lease after ten seconds, and no request did.
    assert time.monotonic() - began < 10
    assert len(statuses) == 40
    assert set(statuses) <= {200, 423}
    assert 200 in statuses
    writer.close()


def test_of_three_the_newest_goes_on(receiver: ReceiverClient) -> None:
    """If two clients reconnect at the same time while the first connection hangs, a later request
    completes the upload.
    """
    address = receiver.create(1000)
    hanging = [receiver.begin(address, 0, 1000)]
    hanging[0].sendall(b"x" * 10)
    assert arrived(receiver, address, 10)
    opened: list[socket.socket] = []

    def come_back() -> None:
        opened.append(receiver.begin(address, 10, 990))

    threads = [threading.Thread(target=come_back, daemon=True) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    # The last of the two may arrive after this request.
    assert until(lambda: receiver.head(address).status == 200)
    answer = receiver.patch(address, 10, b"y" * 990)
    assert answer.status == 204, answer.body
    for connection in (*hanging, *opened):
        connection.close()


def test_swept_while_it_grows(receiver: ReceiverClient) -> None:
    """An upload expires a fixed time after its last bytes, even if one request takes longer."""
    service = receiver.service
    seconds = service.settings.upload_expiry_seconds
    address = receiver.create(None)
    writer = receiver.begin(address, 0, 6, {"Upload-Length": "6"})
    writer.sendall(b"abc")
    assert arrived(receiver, address, 3)
    # The row is as old as if the request had begun long ago, and the last bytes are new.
    service.database.reading().execute("UPDATE uploads SET expires_at = 1")
    inner = service.context
    swept = upload_sweeper.sweep(inner.uploads, inner.parts, expiry_seconds=seconds)
    assert swept.expired_uploads == 0
    assert answer_of(writer, b"def").status == 204
    assert service.content("tus.bin") == b"abcdef"
    assert_sound(service)


def test_expired_uploads(receiver: ReceiverClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request for an expired upload gets 404 for each method. The sweep
    releases the upload's reservation.
    """
    service = receiver.service
    seconds = service.settings.upload_expiry_seconds
    address = receiver.create(6)
    assert receiver.patch(address, 0, b"abc").status == 204
    inner, later = service.context, time.time() + seconds + 1
    monkeypatch.setattr(HeldUploads, "now", lambda _: int(1000 * later))
    assert receiver.head(address).status == 404
    assert receiver.patch(address, 3, b"def").status == 404
    assert receiver.request("DELETE", address).status == 404
    swept = upload_sweeper.sweep(
        inner.uploads, inner.parts, expiry_seconds=seconds, clock=lambda: later
    )
    assert swept.expired_uploads == 1
    assert not part_file(receiver, address).exists()
    assert service.records.usage("demo").bytes == 0
    assert faults_in_counts(service.database) == []


def test_gone_while_it_was_written_to(receiver: ReceiverClient) -> None:
    """A request gets 404 and charges nothing if another request removes its upload."""
    service = receiver.service
    address = receiver.create(None)
    writer = receiver.begin(address, 0, 6)
    writer.sendall(b"abc")
    assert arrived(receiver, address, 3)
    inner = service.context
    found = inner.uploads.get("demo", address.rpartition("/")[2])
    assert found is not None
    inner.uploads.remove(found)
    assert answer_of(writer, b"def").status == 404
    assert service.records.usage("demo").bytes == 0
    assert faults_in_counts(service.database) == []


def test_completed_while_its_old_bytes_are_swept(
    receiver: ReceiverClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A completed upload keeps its file when the sweeper removes a blob that a crash
    left without a row.

    The sweeper may have read the rows before the upload's own row was committed.
    """
    service = receiver.service
    address = receiver.create(6)
    writing = service.context.records.write
    with monkeypatch.context() as patch:
        # This is the state after kill -9 before the commit: a blob with its name, and no row.
        patch.setattr(FileCommit, "discard", lambda *_: None)
        patch.setattr(service.context.records, "write", unavailable)
        assert receiver.patch(address, 0, b"abcdef").status == 503
    (old,) = service.blobs()
    assert service.context.records.write == writing
    assert receiver.offset(address) == 6
    service.context.store.delete(BlobName("demo", old.rpartition("/")[2]))
    assert service.content("tus.bin") == b"abcdef"


def test_the_check_knows_uploads(receiver: ReceiverClient) -> None:
    """`upload_faults` names an upload whose bytes are missing, and no sound or finished upload."""
    sound, done, broken = (receiver.create(6) for _ in range(3))
    assert receiver.patch(sound, 0, b"abc").status == 204
    assert receiver.patch(done, 0, b"abcdef").status == 204
    part_file(receiver, broken).unlink()
    inner = receiver.service.context
    (fault,) = integrity.upload_faults(inner.parts, inner.uploads)
    assert broken.rpartition("/")[2] in fault
    assert faults_in_counts(receiver.service.database) == []


def unavailable(_: object) -> None:
    """Raise the error of a database that is not available."""
    raise DatabaseUnavailable("away")
