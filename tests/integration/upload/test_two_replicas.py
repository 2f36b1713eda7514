"""Two replicas on one database and one folder: resumable uploads move between them as they like.

Both run in this process, each with a receiver, a follower, leases and connections of its own.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
# The leases themselves are tested on both (tests/contract/records/test_leases.py).
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
PARTIAL = {"Upload-Concat": "partial", "Upload-Metadata": ""}


@dataclass
class Replicas:
    """Two of them; clients are of one tenant."""

    a: ReceiverClient
    b: ReceiverClient
    follower_of_a: DigestDaemon

    def part(self, address: str) -> Path:
        """Where an upload grows."""
        return self.a.service.settings.resumable_folder / address.rpartition("/")[2]

    def arrived(self, address: str, size: int) -> bool:
        """Waits until so many bytes are on the disk."""
        return until(lambda: self.part(address).stat().st_size == size)

    def becomes(self, address: str, size: int) -> bool:
        """Waits until an upload is said to have so many bytes."""
        return until(lambda: self.b.head(address).headers.get("Upload-Offset") == str(size))

    def assert_sound(self) -> None:
        """Each file has the digest of its bytes, and the tenant is charged for what is there."""
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
    """One replica with all that its mule does for uploads."""
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
        with receiving(service) as client:
            folders = (settings.spool_folder, settings.resumable_folder)
            follower = DigestDaemon(folders, settings.follower_socket, durable=False)
            threading.Thread(target=follower.run, daemon=True).start()
            assert until(settings.follower_socket.exists)
            yield client, follower
        service.database.close()


@pytest.fixture
def replicas(tmp_path: Path, database_url: str, issuer: Issuer) -> Iterator[Replicas]:
    """Two replicas on a database of this test's own."""
    with (
        replica(tmp_path, "a", database_url, issuer) as (a, follower),
        replica(tmp_path, "b", database_url, issuer) as (b, _),
    ):
        yield Replicas(a, b, follower)


def sha256(content: bytes) -> dict[str, str]:
    """`Upload-Checksum`."""
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"Upload-Checksum": f"sha256 {digest}"}


def test_the_newer_request_ends_the_older(replicas: Replicas) -> None:
    """PATCH at one replica ends the one under way at the other; what came stays, and is counted."""
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
    """HEAD at one replica tells what came at the other, and ends what still comes there."""
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
    """DELETE at one replica ends an upload under way at the other, and gives its room back."""
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
    """An upload that changes replicas with each request becomes one whole file."""
    content = os.urandom(9 * 1000)
    address = replicas.a.create(len(content))
    for number, start in enumerate(range(0, len(content), 1000)):
        client = replicas.a if number % 2 else replicas.b
        assert client.patch(address, start, content[start : start + 1000]).status == 204
    assert replicas.a.service.content("tus.bin") == content
    replicas.assert_sound()


def test_the_digest_of_what_another_replica_cut_back(replicas: Replicas) -> None:
    """What came at another replica, and was cut back there, is not in the file's digest."""
    first, wrong, rest = (os.urandom(FOLLOW_BYTES + 1000) for _ in range(3))
    address = replicas.a.create(len(first) + len(rest))
    assert replicas.a.patch(address, 0, first).status == 204
    # With a checksum, so that what a broken connection leaves is thrown away.
    cut = replicas.b.begin(address, len(first), len(rest), sha256(wrong))
    cut.sendall(wrong[:-1])
    size = len(first) + len(wrong) - 1
    assert replicas.arrived(address, size)
    # The first replica's follower sees this file grow, too, where both are on one machine.
    name = address.rpartition("/")[2]
    files = replicas.follower_of_a._files
    until(lambda: (found := files.get(name)) is not None and found.offset == size, 1.0)
    cut.close()
    assert replicas.b.offset(address) == len(first)
    assert replicas.a.patch(address, len(first), rest).status == 204
    assert replicas.a.service.content("tus.bin") == first + rest
    replicas.assert_sound()


def test_of_a_crowd_at_both_somebody_goes_on(replicas: Replicas) -> None:
    """Many requests at both replicas for an upload under way all end, and the last one works."""
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
    """Parts that become whole at two replicas at the same moment are joined, once."""
    for _ in range(5):
        parts = [replicas.a.create(6, PARTIAL), replicas.b.create(6, PARTIAL)]
        final = {"Upload-Concat": "final;" + " ".join(parts), "Upload-Defer-Length": ""}
        whole = replicas.a.create(None, final)
        # All but the last byte is there: the ends come as close to each other as they can.
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


# ---- who dies, or seems to ----


def test_free_soon_after_a_death(replicas: Replicas) -> None:
    """The upload of a replica that was killed can be gone on with at the other one."""
    address = replicas.a.create(6)
    assert replicas.a.patch(address, 0, b"abc").status == 204
    dead = LeaseRows(replicas.a.service.database, "dead")
    assert dead.take(shared_name(address.rpartition("/")[2])) is not None
    # Nobody renews that: it is over after six seconds, and the request waits for ten.
    assert replicas.b.patch(address, 3, b"def").status == 204
    replicas.assert_sound()


def test_who_still_has_the_file_open_writes_nowhere(replicas: Replicas) -> None:
    """A machine that died holding the file's lock keeps nobody out, and what it had under way does
    not get into the upload.
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
    """Makes the first replica's keeper do nothing, and its leases run out."""
    inner = replicas.a.service.context.leases
    stands_still = threading.Event()

    def nothing() -> None:
        stands_still.set()
        raise DatabaseUnavailable("frozen")

    def freeze(address: str) -> None:
        monkeypatch.setattr(inner, "_look", nothing)
        monkeypatch.setattr(inner, "_renew", nothing)
        # A round that was under way is over by then.
        assert stands_still.wait(60)
        name = shared_name(address.rpartition("/")[2])
        assert isinstance(inner, SqlSharedLeases)
        inner._held[name].valid_until = 0.0
        replicas.b.service.database.reading().execute(
            "UPDATE leases SET expires_at = 1 WHERE name = ?", (name,)
        )

    return freeze


def test_who_wakes_up_too_late(replicas: Replicas, frozen: Callable[[str], None]) -> None:
    """A replica that was frozen for longer than a lease, and wakes up, changes nothing of what the
    other one made of the upload.
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
    """Of two replicas that both bring an upload to its end one makes the file, charged once."""
    address = replicas.a.create(6)
    first = replicas.a.begin(address, 0, 6)
    first.sendall(b"abc")
    assert replicas.arrived(address, 3)
    frozen(address)
    second = replicas.b.begin(address, 3, 3)
    assert until(
        lambda: replicas.b.service.context.leases.holds(shared_name(address.rpartition("/")[2]))
    )
    # As if it had asked just before it lost the lease.
    inner = replicas.a.service.context.leases
    monkeypatch.setattr(inner, "is_held", lambda _: True)
    assert answer_of(first, b"def").status in {204, 404, 500, 503}
    assert answer_of(second, b"def").status in {204, 404}
    assert replicas.b.offset(address) == 6
    assert replicas.a.service.content("tus.bin") == b"abcdef"
    assert replicas.a.service.records.usage("demo").files == 1
    replicas.assert_sound()


def test_a_short_outage_of_the_database(replicas: Replicas, frozen: Callable[[str], None]) -> None:
    """A lease that ran out while the database was away, and that nobody took, is good again."""
    address = replicas.a.create(6)
    writer = replicas.a.begin(address, 0, 6)
    writer.sendall(b"abc")
    assert replicas.arrived(address, 3)
    frozen(address)
    assert answer_of(writer, b"def").status == 204
    assert replicas.b.service.content("tus.bin") == b"abcdef"
    replicas.assert_sound()
