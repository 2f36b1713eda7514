"""Repeated kill -9 of gateway, services and worker during resumable uploads."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.native import NativeWharf
from tests.servers.upload import UploadService, assemble, faults_in_counts, settings_for
from tests.servers.upload_invariants import assert_sound, live
from tests.servers.wharf.raw_http import until
from wharf_upload.maintenance import upload_sweeper

_SIZE, _CHUNK = 6_000_000, 400_000
_KINDS = ("plain", "checked", "deferred")
_ROUNDS = 3


@dataclass
class Sender:
    """One upload and its client.

    `least` is the lowest offset that the server may return after a kill: the largest offset that
    the client has received.
    """

    wharf: NativeWharf
    kind: str
    name: str
    content: bytes = field(default_factory=lambda: os.urandom(_SIZE))
    address: str = ""
    least: int = 0
    done: bool = False

    def create(self, token: str) -> None:
        """Create the upload."""
        length = (
            {"Upload-Defer-Length": "1"}
            if self.kind == "deferred"
            else {"Upload-Length": str(_SIZE)}
        )
        name = f"filename {b64encode(self.name.encode()).decode()}"
        status, headers = self._request(
            "POST", "/v1/uploads", token, {"Upload-Metadata": name, **length}
        )
        assert status == 201
        self.address = headers["location"]

    def send(self, token: str) -> None:
        """Send the rest of the upload, until its end or until the connection breaks."""
        try:
            offset = self.offset(token)
            while offset < _SIZE:
                offset = self._send_chunk(token, offset)
                self.least = max(self.least, offset)
            self.done = True
        except (OSError, HTTPException):
            return

    def offset(self, token: str) -> int:
        """Return the offset from a `HEAD` request."""
        status, headers = self._request("HEAD", self.address, token, {})
        if status != 200:
            raise ConnectionError(f"HEAD is {status}")  # Wharf is stopping or starting
        return int(headers["upload-offset"])

    def _send_chunk(self, token: str, offset: int) -> int:
        chunk = self.content[offset : offset + _CHUNK]
        headers = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
        }
        if self.kind == "checked":
            digest = hashlib.sha256(chunk).digest()
            headers["Upload-Checksum"] = f"sha256 {b64encode(digest).decode()}"
        if self.kind == "deferred" and offset + len(chunk) == _SIZE:
            headers["Upload-Length"] = str(_SIZE)
        status, found = self._request("PATCH", self.address, token, headers, chunk)
        if status != 204:
            raise ConnectionError(f"PATCH is {status}")
        return int(found["upload-offset"])

    def _request(
        self, method: str, path: str, token: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[int, dict[str, str]]:
        connection = HTTPConnection("127.0.0.1", self.wharf.port, timeout=60)
        sent = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0", **headers}
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): text for name, text in answer.getheaders()}
        finally:
            connection.close()


@dataclass
class Scene:
    """A Wharf and its clients."""

    wharf: NativeWharf
    senders: list[Sender]

    def under_way(self, token: str) -> list[threading.Thread]:
        """Continue all unfinished uploads, in threads."""
        threads = [
            threading.Thread(target=one.send, args=(token,), daemon=True)
            for one in self.senders
            if not one.done
        ]
        for thread in threads:
            thread.start()
        return threads

    def service(self, issuer: Issuer) -> UploadService:
        """Return a service on the data, without any process of Wharf."""
        return assemble(settings_for(self.wharf.data, durability="relaxed"), issuer)

    def on_disk(self, sender: Sender) -> int:
        """Return how many bytes of an incomplete upload are on the disk. Return 0 if its file does
        not exist.
        """
        path = self.wharf.data / "resumable" / sender.address.rpartition("/")[2]
        return path.stat().st_size if path.exists() else 0


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Yield a new Wharf."""
    # This folder is not pytest's, because paths of sockets must be short.
    base = Path(tempfile.mkdtemp(prefix="wharf-kill-"))
    wharf = NativeWharf(base, WHARF_SWEEP_SECONDS="1", WHARF_DELETED_GRACE_SECONDS="1")
    try:
        wharf.start()
        yield Scene(wharf, [Sender(wharf, kind, f"{kind}-{n}") for n in (1, 2) for kind in _KINDS])
    finally:
        wharf.kill()
        shutil.rmtree(base, ignore_errors=True)


def test_everything_is_killed(scene: Scene, issuer: Issuer) -> None:
    """After each kill an offset is at least the last offset that the client received, and at most
    the size on the disk.

    In the end all uploads succeed.
    """
    chance = random.Random(4)
    token = scene.wharf.token()
    for sender in scene.senders:
        sender.create(token)
    for _ in range(_ROUNDS):
        threads = scene.under_way(token)
        before = [one.least for one in scene.senders]
        assert until(lambda old=before: [one.least for one in scene.senders] != old)
        time.sleep(chance.random() / 5)
        scene.wharf.kill()
        for thread in threads:
            thread.join(60)
        there = {one.name: scene.on_disk(one) for one in scene.senders}
        service = scene.service(issuer)
        assert faults_in_counts(service.database) == []
        assert_sound(service)
        service.database.close()
        scene.wharf.start()
        token = scene.wharf.token()
        for sender in scene.senders:
            if not sender.done:
                found = sender.offset(token)
                # The file of a complete upload is no longer in the folder.
                assert sender.least <= found <= (there[sender.name] or _SIZE), sender.name
    for thread in scene.under_way(token):
        thread.join(60)
    assert all(one.done for one in scene.senders)
    scene.wharf.stop()
    assert_all_arrived(scene, issuer)


def test_the_receiver_is_killed(scene: Scene, issuer: Issuer) -> None:
    """When only the stream server is killed, it is started again, and the uploads continue."""
    token = scene.wharf.token()
    for sender in scene.senders:
        sender.create(token)
    threads = scene.under_way(token)
    assert until(lambda: any(one.least for one in scene.senders))
    killed = receiver_of(scene.wharf)
    os.kill(killed, signal.SIGKILL)
    for thread in threads:
        thread.join(60)
    assert until(lambda: receiver_of(scene.wharf, or_none=True) not in (0, killed))

    def all_done() -> bool:
        for thread in scene.under_way(token):
            thread.join(60)
        return all(one.done for one in scene.senders)

    assert until(all_done, 60)
    scene.wharf.stop()
    assert_all_arrived(scene, issuer)


def test_what_nobody_goes_on_with_is_swept(scene: Scene, issuer: Issuer) -> None:
    """Interrupted uploads that no client continues are removed completely when they expire."""
    token = scene.wharf.token()
    for sender in scene.senders:
        sender.create(token)
    threads = scene.under_way(token)
    assert until(lambda: all(one.least for one in scene.senders))
    scene.wharf.kill()
    for thread in threads:
        thread.join(60)
    service = scene.service(issuer)
    inner = service.context
    expiry = service.settings.upload_expiry_seconds
    later = time.time() + expiry + 120
    upload_sweeper.sweep(inner.uploads, inner.parts, expiry_seconds=expiry, clock=lambda: later)
    service.sweep()
    # The first sweep keeps the blob of an interrupted completion, which is too young.
    service.sweep()
    assert list(inner.parts.all()) == []
    assert service.database.reading().rows("SELECT id FROM uploads WHERE file IS NULL") == []
    assert service.blobs() == {file.blob for file in service.records.live_files()}
    assert list(service.store.leftovers()) == []
    assert faults_in_counts(service.database) == []
    assert_sound(service)
    service.database.close()


def open_files(pid: int) -> set[str]:
    """Return the targets of the process's open descriptors. The process may open and close files at
    the same time.
    """
    found: set[str] = set()
    with suppress(OSError):
        for path in list(Path(f"/proc/{pid}/fd").iterdir()):
            with suppress(OSError):
                found.add(os.readlink(path))
    return found


def receiver_of(wharf: NativeWharf, *, or_none: bool = False) -> int:
    """Return the id of the process that listens on the stream server's socket. If there is none,
    fail, or with `or_none` return 0.
    """
    inodes = {
        line.split()[6]
        for line in Path("/proc/net/unix").read_text().splitlines()
        if line.endswith("/receiver.sock") and line.split()[3] == "00010000"
    }
    sockets = {f"socket:[{inode}]" for inode in inodes}
    for pid in wharf.processes():
        if sockets & open_files(pid):
            return pid
    assert or_none, "nobody listens"
    return 0


def assert_all_arrived(scene: Scene, issuer: Issuer) -> None:
    """Assert that each file is stored intact, and nothing is reserved any more."""
    service = scene.service(issuer)
    expected = {one.name: hashlib.sha256(one.content).hexdigest() for one in scene.senders}
    assert live(service) == expected
    assert faults_in_counts(service.database) == []
    usage = service.records.usage("demo")
    assert (usage.bytes, usage.files) == (_SIZE * len(expected), len(expected))
    assert_sound(service)
    service.database.close()
