"""Tests of the digest daemon, which has a body's digest ready or returns none."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from inotify_simple import INotify

from tests.servers.upload import UploadService
from wharf_upload.hashing.client import FOLLOW_BYTES, DigestClient
from wharf_upload.hashing.daemon import DigestDaemon

# The first INotify object of a process runs a program to find libc, which no test may start.
INotify().close()
_BLOCK = os.urandom(1 << 20)
_DEADLINE_SECONDS = 20


class Spool:
    """A spool folder with a digest daemon."""

    def __init__(
        self,
        folder: Path,
        address: Path,
        is_ours: Callable[[Path, str], bool] = lambda _folder, _name: True,
    ) -> None:
        self.folder, self.address = folder, address
        self.follower = DigestDaemon((folder,), address, durable=True, is_ours=is_ours)
        threading.Thread(target=self.follower.run, daemon=True).start()
        wait_until(self.listens)

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.address)) == 0

    def grow(self, name: str, megabytes: int) -> Path:
        """Write a body as nginx does, and wait until the digest daemon has begun to read it."""
        path = self.folder / name
        with path.open("wb", buffering=0) as file:
            for number in range(megabytes):
                file.write(_BLOCK)
                if number == 2:
                    wait_until(lambda: name in self.follower._files)
        return path

    def ask(self, path: Path, **changes: int) -> bytes | None:
        """Return the digest daemon's answer about a complete body."""
        status = path.stat()
        wanted = {"inode": status.st_ino, "size": status.st_size, **changes}
        client = DigestClient(self.address)
        return client.ask(str(path), wanted["inode"], wanted["size"]).answer()


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    folder = tmp_path / "spool"
    folder.mkdir()
    return Spool(folder, tmp_path / "follower.sock")


@pytest.mark.parametrize("megabytes", [3, 5, 70])
def test_growing_file(spool: Spool, megabytes: int) -> None:
    """A body that grows has the right digest, even if the daemon reads it in several rounds."""
    path = spool.grow("1", megabytes)
    assert spool.ask(path) == digest(path)


def test_odd_size(spool: Spool) -> None:
    """An incomplete last block is hashed with its own bytes only."""
    path = spool.grow("1", 4)
    with path.open("ab", buffering=0) as file:
        file.write(b"the end")
    assert spool.ask(path) == digest(path)


def test_several_at_once(spool: Spool) -> None:
    """Files that grow at the same time each get their own digest."""
    threads = [threading.Thread(target=spool.grow, args=(str(one), 4 + one)) for one in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in range(5):
        path = spool.folder / str(one)
        assert spool.ask(path) == digest(path)


def test_small_file(spool: Spool) -> None:
    """For a small file the client opens no connection, and gets no answer."""
    path = spool.folder / "1"
    path.write_bytes(b"x" * (FOLLOW_BYTES - 1))
    question = DigestClient(spool.address).ask(str(path), path.stat().st_ino, path.stat().st_size)
    assert question._connection is None
    assert question.answer() is None


def test_another_inode(spool: Spool) -> None:
    """A file that reuses the name of another file gets no answer."""
    path = spool.grow("1", 3)
    assert spool.ask(path, inode=path.stat().st_ino + 1) is None


def test_another_size(spool: Spool) -> None:
    """A question with a wrong size gets no answer."""
    path = spool.grow("1", 4)
    assert spool.ask(path) == digest(path)
    assert spool.ask(path, size=3 << 20) is None


def test_unknown_file(spool: Spool, tmp_path: Path) -> None:
    """A file outside the spool gets no answer."""
    path = tmp_path / "elsewhere"
    path.write_bytes(_BLOCK * 3)
    assert spool.ask(path) is None


def test_removed_file(spool: Spool) -> None:
    """A removed file gets no answer, and its descriptor is closed to free the disk."""
    path = spool.grow("1", 3)
    status = path.stat()
    followed = spool.follower._files["1"]
    path.unlink()
    wait_until(lambda: followed.descriptor < 0)
    assert "1" not in spool.follower._files
    question = DigestClient(spool.address).ask(str(path), status.st_ino, status.st_size)
    assert question.answer() is None


def test_link_in_the_spool(spool: Spool, tmp_path: Path) -> None:
    """The digest daemon does not follow a symbolic link in the spool."""
    outside = tmp_path / "outside"
    outside.write_bytes(_BLOCK * 3)
    link = spool.folder / "1"
    link.symlink_to(outside)
    spool.grow("2", 3)
    assert "1" not in spool.follower._files


@pytest.mark.parametrize("question", [b"", b"nonsense", b"[]", b'{"name": "1"}', b'"x"'])
def test_nonsense(spool: Spool, question: bytes) -> None:
    """A malformed question gets no digest, and the next question is answered."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(spool.address))
        connection.sendall(question)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) in {b"", b"-"}
    path = spool.grow("1", 3)
    assert spool.ask(path) == digest(path)


def test_nobody_listens(tmp_path: Path) -> None:
    """Without a digest daemon the client gets no answer, and no error."""
    question = DigestClient(tmp_path / "nobody.sock").ask("1", 1, FOLLOW_BYTES)
    assert question.answer() is None


def test_receiving_with_a_follower(upload: UploadService) -> None:
    """A spooled body has the same digest with a digest daemon and without one."""
    body = _BLOCK * 3 + b"tail"
    expected = hashlib.sha256(body).hexdigest()
    without = upload.put("without.bin", body, spooled=True)
    spool = Spool(upload.settings.spool_folder, upload.settings.follower_socket)
    with_one = upload.put("with.bin", body, spooled=True)
    assert spool.listens()
    for reply in (without, with_one):
        assert reply.json
        assert reply.json["sha256"] == expected


def test_a_lying_follower(upload: UploadService) -> None:
    """A malformed answer is ignored, and the service hashes the file itself."""
    body = _BLOCK * 3
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(upload.settings.follower_socket))
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall("no digest ·".encode())

        thread = threading.Thread(target=answer)
        thread.start()
        reply = upload.put("a.bin", body, spooled=True)
        thread.join()
    assert reply.json
    assert reply.json["sha256"] == hashlib.sha256(body).hexdigest()


def test_what_is_another_replicas(tmp_path: Path) -> None:
    """The digest daemon reads only files that its own replica will ask about."""
    folder = tmp_path / "resumable"
    folder.mkdir()
    spool = Spool(folder, tmp_path / "follower.sock", is_ours=lambda _, name: name == "ours")
    theirs = folder / "theirs"
    theirs.write_bytes(_BLOCK * 3)
    path = spool.grow("ours", 3)
    assert spool.ask(path) == digest(path)
    assert list(spool.follower._files) == ["ours"]


def test_removed_by_another_machine(spool: Spool) -> None:
    """A file that was removed without an event is closed when the next file begins."""
    path = spool.grow("0001", 3)
    followed = spool.follower._files["0001"]
    assert spool.ask(path) == digest(path)
    # The path does not lead to a file, as after a removal on another machine.
    followed.path = str(spool.folder / "gone")
    spool.follower._clean_at = 0.0
    spool.grow("0002", 3)
    wait_until(lambda: followed.descriptor == -1)
    assert list(spool.follower._files) == ["0002"]
