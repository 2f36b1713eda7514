"""Two replicas on one database and one folder: resumable uploads may move between them.

Both run in this process, each with its own stream server, digest daemon, leases and connections.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from servicekit.database import DatabaseUnavailable
from servicekit.testing import Issuer
from tests.servers.receiver import ReceiverClient, answer_of, receiving
from tests.servers.upload import assemble, faults_in_counts, settings_for
from tests.servers.upload_databases import database_url
from tests.servers.wharf.raw_http import until
from wharf_upload.database.lease_rows import LeaseRows
from wharf_upload.database.shared_leases import SqlSharedLeases
from wharf_upload.hashing.client import FOLLOW_BYTES
from wharf_upload.hashing.daemon import DigestDaemon
from wharf_upload.uploads.resumable.leases import shared_name

__all__ = ["database_url"]
# Leases themselves are tested on both databases (tests/contract/records/test_leases.py).
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
PARTIAL = {"Upload-Concat": "partial", "Upload-Metadata": ""}


@dataclass
class Replicas:
    """Two replicas, whose clients belong to one tenant."""

    a: ReceiverClient
    b: ReceiverClient
    follower_of_a: DigestDaemon

    def part(self, address: str) -> Path:
        """Return the path of a partial upload's file."""
        return self.a.service.settings.resumable_folder / address.rpartition("/")[2]

    def arrived(self, address: str, size: int) -> bool:
        """Wait until `size` bytes are on the disk, and tell whether they are."""
        return until(lambda: self.part(address).stat().st_size == size)

    def becomes(self, address: str, size: int) -> bool:
        """Wait until HEAD at the second replica returns this offset, and tell whether it does."""
        return until(lambda: self.b.head(address).headers.get("Upload-Offset") == str(size))

    def assert_sound(self) -> None:
        """Assert that each file has the digest of its bytes, and that the usage is correct."""
        records = self.a.service.records
        for file in records.live_files():
            content = self.a.service.content(file.key)
            assert content is not None
            assert hashlib.sha256(content).hexdigest() == file.sha256, file.key
        assert faults_in_counts(self.a.service.database) == []


@contextmanager
def replica(
    data: Path, name: str, url: str, issuer: Issuer
) -> Iterator[tuple[ReceiverClient, DigestDaemon]]:
    """Yield a replica's client and its digest daemon. The replica has a stream server and its own
    sockets.
    """
    with tempfile.TemporaryDirectory(prefix="wharf-replica-") as sockets:
        settings = settings_for(
            data,
            instance=name,
            sockets=sockets,
            database_url=url,
            leases="database",
            durability="relaxed",
        )
        service = assemble(settings, issuer)
        with closing(service.database), receiving(service) as client:
            folders = (settings.spool_folder, settings.resumable_folder)
            follower = DigestDaemon(folders, settings.follower_socket, durable=False)
            threading.Thread(target=follower.run, daemon=True).start()
            assert until(settings.follower_socket.exists)
            yield client, follower


@pytest.fixture
def replicas(tmp_path: Path, database_url: str, issuer: Issuer) -> Iterator[Replicas]:
    """Yield two replicas on a database for this test alone."""
    with (
        replica(tmp_path, "a", database_url, issuer) as (a, follower),
        replica(tmp_path, "b", database_url, issuer) as (b, _),
    ):
        yield Replicas(a, b, follower)


def sha256(content: bytes) -> dict[str, str]:
    """Return the field `Upload-Checksum`."""
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"Upload-Checksum": f"sha256 {digest}"}


def test_the_newer_request_ends_the_older(replicas: Replicas) -> None:
    """A PATCH at one replica ends the PATCH under way at the other, whose received
    bytes are kept and counted.
    """
    address = replicas.a.create(6)
    older = replicas.a.begin(address, 0, 6)
    older.sendall(b"abc")
    assert replicas.arrived(address, 3)
    newer = replicas.b.patch(address, 3, b"def")
    assert (newer.status, newer.headers["Upload-Offset"]) == (204, "6")
    ended = answer_of(older)
    assert (ended.status, ended.headers["Upload-Offset"]) == (204, "3")
    assert replicas.b.service.content("tus.bin") == b"abcdef"
    replicas.assert_sound()


def test_asked_for_elsewhere(replicas: Replicas) -> None:
    """A HEAD at one replica returns the bytes received at the other, and ends the request there."""
    address = replicas.a.create(6)
    older = replicas.a.begin(address, 0, 6)
    older.sendall(b"abcd")
    assert replicas.arrived(address, 4)
    assert replicas.b.offset(address) == 4
    assert answer_of(older).headers["Upload-Offset"] == "4"
    assert replicas.a.patch(address, 4, b"ef").status == 204
    assert replicas.b.offset(address) == 6
    replicas.assert_sound()


def test_ended_elsewhere(replicas: Replicas) -> None:
    """A DELETE at one replica ends an upload at the other, and releases its reservation."""
    address = replicas.a.create(6)
    older = replicas.a.begin(address, 0, 6)
    older.sendall(b"abc")
    assert replicas.arrived(address, 3)
    assert replicas.b.request("DELETE", address).status == 204
    older.close()
    assert replicas.a.head(address).status == 404
    assert replicas.a.service.records.usage("demo").bytes == 0
    assert not replicas.part(address).exists()


def test_there_and_back(replicas: Replicas) -> None:
    """An upload that changes replicas with each request becomes one complete file."""
    content = os.urandom(9 * 1000)
    address = replicas.a.create(len(content))
    for number, start in enumerate(range(0, len(content), 1000)):
        client = replicas.a if number % 2 else replicas.b
        assert client.patch(address, start, content[start : start + 1000]).status == 204
    assert replicas.a.service.content("tus.bin") == content
    replicas.assert_sound()


def test_the_digest_of_what_another_replica_cut_back(replicas: Replicas) -> None:
    """Bytes that another replica received and cut off again are not in the file's digest."""
    first, wrong, rest = (os.urandom(FOLLOW_BYTES + 1000) for _ in range(3))
    address = replicas.a.create(len(first) + len(rest))
    assert replicas.a.patch(address, 0, first).status == 204
    # The request has a checksum, so the bytes of a broken connection are discarded.
    cut = replicas.b.begin(address, len(first), len(rest), sha256(wrong))
    cut.sendall(wrong[:-1])
    size = len(first) + len(wrong) - 1
    assert replicas.arrived(address, size)
    # On one machine the first replica's digest daemon sees this file grow, too.
    name = address.rpartition("/")[2]
    files = replicas.follower_of_a._files
    until(lambda: (found := files.get(name)) is not None and found.offset == size, 1.0)
    cut.close()
    assert replicas.b.offset(address) == len(first)
    assert replicas.a.patch(address, len(first), rest).status == 204
    assert replicas.a.service.content("tus.bin") == first + rest
    replicas.assert_sound()


def test_of_a_crowd_at_both_somebody_goes_on(replicas: Replicas) -> None:
    """Many requests at both replicas for an upload under way all end. A later
    request completes the upload.
    """
    address = replicas.a.create(1000)
    writer = replicas.a.begin(address, 0, 1000)
    writer.sendall(b"x" * 10)
    assert replicas.arrived(address, 10)
    statuses: list[int] = []
    crowd = [
        threading.Thread(
            target=lambda client=client: statuses.append(client.head(address).status), daemon=True
        )
        for client in (replicas.a, replicas.b) * 15
    ]
    for one in crowd:
        one.start()
    other = replicas.b.create(3)
    assert replicas.b.patch(other, 0, b"abc").status == 204
    for one in crowd:
        one.join(60)
    assert len(statuses) == 30
    assert set(statuses) <= {200, 423}
    assert until(lambda: replicas.b.head(address).status == 200)
    assert replicas.a.patch(address, 10, b"y" * 990).status == 204
    writer.close()


def test_parts_that_end_at_both(replicas: Replicas) -> None:
    """Parts that are completed at two replicas at the same moment are joined exactly once."""
    for _ in range(5):
        parts = [replicas.a.create(6, PARTIAL), replicas.b.create(6, PARTIAL)]
        final = {"Upload-Concat": "final;" + " ".join(parts), "Upload-Defer-Length": ""}
        whole = replicas.a.create(None, final)
        # All bytes but the last are there, so the ends are as close to each other as possible.
        ends = [
            client.begin(part, 0, 6)
            for client, part in zip((replicas.a, replicas.b), parts, strict=True)
        ]
        for end, content in zip(ends, (b"abcde", b"ghijk"), strict=True):
            end.sendall(content)
        assert all(replicas.arrived(part, 5) for part in parts)
        for end, content in zip(ends, (b"f", b"l"), strict=True):
            end.sendall(content)
        assert [answer_of(end).status for end in ends] == [204, 204]
        assert replicas.becomes(whole, 12)
        assert replicas.b.service.content("tus.bin") == b"abcdefghijkl"
        replicas.a.service.request("DELETE", "/v1/files/default/tus.bin")
    replicas.assert_sound()


# ---- replicas that die, or seem to ----


def test_free_soon_after_a_death(replicas: Replicas) -> None:
    """An upload of a killed replica can be continued at the other replica."""
    address = replicas.a.create(6)
    assert replicas.a.patch(address, 0, b"abc").status == 204
    dead = LeaseRows(replicas.a.service.database, "dead")
    assert dead.take(shared_name(address.rpartition("/")[2])) is not None
    # No process renews this lease: it expires after six seconds, and the request waits for ten.
    assert replicas.b.patch(address, 3, b"def").status == 204
    replicas.assert_sound()


def test_who_still_has_the_file_open_writes_nowhere(replicas: Replicas) -> None:
    """A dead machine that holds the file's lock blocks no other replica, and its late
    writes do not reach the upload.
    """
    address = replicas.a.create(6)
    assert replicas.a.patch(address, 0, b"abc").status == 204
    descriptor = os.open(replicas.part(address), os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert replicas.b.offset(address) == 3
    os.pwrite(descriptor, b"!!!!!!", 0)
    os.ftruncate(descriptor, 1)
    assert replicas.b.patch(address, 3, b"def").status == 204
    os.pwrite(descriptor, b"??????", 0)
    os.close(descriptor)
    assert replicas.a.service.content("tus.bin") == b"abcdef"
    assert list(replicas.part(address).parent.iterdir()) == []
    replicas.assert_sound()


@pytest.fixture
def frozen(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that stops the first replica's renewal of leases, and lets
    the lease of an upload expire.
    """
    inner = replicas.a.service.context.leases
    stands_still = threading.Event()

    def nothing() -> None:
        stands_still.set()
        raise DatabaseUnavailable("frozen")

    def freeze(address: str) -> None:
        monkeypatch.setattr(inner, "_look", nothing)
        monkeypatch.setattr(inner, "_renew", nothing)
        # After this wait, a round of renewals that was under way has ended.
        assert stands_still.wait(60)
        name = shared_name(address.rpartition("/")[2])
        assert isinstance(inner, SqlSharedLeases)
        inner._held[name].valid_until = 0.0
        replicas.b.service.database.reading().execute(
            "UPDATE leases SET expires_at = 1 WHERE name = ?", (name,)
        )

    return freeze


def test_who_wakes_up_too_late(replicas: Replicas, frozen: Callable[[str], None]) -> None:
    """A replica that wakes up after its lease expired changes nothing in the upload
    of the other replica.
    """
    address = replicas.a.create(6)
    late = replicas.a.begin(address, 0, 6, sha256(b"ABCDEF"))
    late.sendall(b"ABC")
    assert replicas.arrived(address, 3)
    frozen(address)
    assert replicas.b.offset(address) == 0
    assert replicas.b.patch(address, 0, b"abcdef").status == 204
    assert answer_of(late, b"DEF").status == 423
    assert replicas.b.offset(address) == 6
    assert replicas.a.service.content("tus.bin") == b"abcdef"
    replicas.assert_sound()


def test_completed_by_both(
    replicas: Replicas, frozen: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When two replicas complete one upload, one of them makes the file, which is counted once."""
    address = replicas.a.create(6)
    first = replicas.a.begin(address, 0, 6)
    first.sendall(b"abc")
    assert replicas.arrived(address, 3)
    frozen(address)
    second = replicas.b.begin(address, 3, 3)
    assert until(
        lambda: replicas.b.service.context.leases.holds(shared_name(address.rpartition("/")[2]))
    )
    # The replica acts as if it had checked its lease just before it lost the lease.
    inner = replicas.a.service.context.leases
    monkeypatch.setattr(inner, "is_held", lambda _: True)
    assert answer_of(first, b"def").status in {204, 404, 500, 503}
    assert answer_of(second, b"def").status in {204, 404}
    assert replicas.b.offset(address) == 6
    assert replicas.a.service.content("tus.bin") == b"abcdef"
    assert replicas.a.service.records.usage("demo").files == 1
    replicas.assert_sound()


def test_a_short_outage_of_the_database(replicas: Replicas, frozen: Callable[[str], None]) -> None:
    """After an outage of the database, an expired lease that no replica took is valid again."""
    address = replicas.a.create(6)
    writer = replicas.a.begin(address, 0, 6)
    writer.sendall(b"abc")
    assert replicas.arrived(address, 3)
    frozen(address)
    assert answer_of(writer, b"def").status == 204
    assert replicas.b.service.content("tus.bin") == b"abcdef"
    replicas.assert_sound()
