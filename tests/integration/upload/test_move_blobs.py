"""`wharf-upload move-blobs` between a disk and a real object store, in both directions."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.object_stores import ObjectStore
from tests.servers.upload import UploadService, ages, assemble, settings_for
from tests.servers.upload_invariants import assert_sound
from tests.servers.wharf.raw_http import until
from wharf_upload import bootstrap
from wharf_upload.blob_settings import DISK
from wharf_upload.maintenance.sweeper import Sweeper
from wharf_upload.settings import Settings
from wharf_upload.storage.base import BlobName, BlobStore

_SECONDS = 60.0
_LARGE = 1 << 20


class MovingWharf:
    """A service whose blobs move from `old` to `new`. Each is `disk` or the address of a bucket."""

    def __init__(self, data: Path, radosgw: ObjectStore, issuer: Issuer) -> None:
        self.bucket = radosgw.url(radosgw.new_bucket(), "wharf")
        self._data, self._issuer = data, issuer
        self._keys = str(radosgw.key_file(data))
        self._services: list[UploadService] = []
        self.contents: dict[str, bytes] = {}

    def settings(self, new: str, old: str) -> Settings:
        """Return the settings of a Wharf with both places."""
        return settings_for(
            self._data,
            blob_url="" if new == DISK else new,
            blob_old_url=old,
            blob_key_file=self._keys,
            deleted_grace_seconds=0,
        )

    def service(self, new: str, old: str = "") -> UploadService:
        """Return the service with these settings."""
        settings = self.settings(new, old)
        found = assemble(settings, self._issuer, bootstrap.open_store(settings))
        self._services.append(found)
        return found

    def fill(self, service: UploadService, word: str) -> None:
        """Store small and large files."""
        for number in range(20):
            self.put(service, f"{word}-{number}", os.urandom(number))
        for number in range(2):
            self.put(service, f"{word}-large-{number}", os.urandom(_LARGE))

    def put(self, service: UploadService, key: str, content: bytes) -> None:
        """Store one file, and assert that it is accepted."""
        reply = service.put(key, content, spooled=len(content) >= _LARGE)
        assert reply.status_code == 201, reply.text
        self.contents[key] = content

    def command(self, new: str, old: str, *arguments: str) -> list[str]:
        """Return the command line of `wharf-upload`."""
        return [sys.executable, "-c", "from wharf_upload.cli import main; main()", *arguments]

    def environ(self, new: str, old: str) -> dict[str, str]:
        """Return the environment of `wharf-upload`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WHARF_")}
        return kept | {
            "WHARF_DATA": str(self._data),
            "WHARF_BLOB_URL": "" if new == DISK else new,
            "WHARF_BLOB_OLD_URL": old,
            "WHARF_BLOB_KEY_FILE": self._keys,
            "WHARF_DELETED_GRACE_SECONDS": "0",
        }

    def start(self, new: str, old: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a move."""
        return subprocess.Popen(
            self.command(new, old, "move-blobs", *arguments),
            env=self.environ(new, old),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, new: str, old: str, *arguments: str) -> str:
        """Run a command that must succeed, and return its output."""
        done = subprocess.run(
            self.command(new, old, *arguments),
            env=self.environ(new, old),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def close(self) -> None:
        """Close the databases of all services."""
        for service in self._services:
            service.database.close()


@pytest.fixture
def wharf(upload_data: Path, radosgw: ObjectStore, issuer: Issuer) -> Iterator[MovingWharf]:
    moving = MovingWharf(upload_data, radosgw, issuer)
    yield moving
    moving.close()


def content(store: BlobStore, service: UploadService, key: str) -> bytes:
    file = service.records.file("demo", "default", key)
    assert file is not None
    with store.open(BlobName(file.tenant, file.blob)) as reader:
        return reader.read()


@pytest.mark.parametrize(("to", "copies"), [("objects", 21), ("disk", 5)])
def test_killed(wharf: MovingWharf, to: str, copies: int) -> None:
    """When a move is killed, another move finishes it, and no byte is lost."""
    new, old = (wharf.bucket, DISK) if to == "objects" else (DISK, wharf.bucket)
    service = wharf.service(old)
    wharf.fill(service, "file")
    target = wharf.service(new, old)
    new_store, _ = bootstrap.moving_stores(target.settings)
    with wharf.start(new, old, "--rate-bytes-per-second", str(_LARGE)) as move:
        assert until(lambda: len(list(new_store.blobs())) >= copies, _SECONDS)
        move.kill()
    assert_sound(target)
    # The killed process no longer has its lease, as after its expiry.
    with service.database.transaction() as connection:
        connection.execute("UPDATE leases SET expires_at = 0", ())
    said = wharf.run(new, old, "move-blobs")
    assert "nothing is left in the old place: remove WHARF_BLOB_OLD_URL and restart" in said
    assert list(service.store.blobs()) == []
    for key, expected in wharf.contents.items():
        assert content(new_store, service, key) == expected
    assert "faults: 0" in wharf.run(new, "", "check", "--read-all")


def test_a_wharf_that_runs(wharf: MovingWharf) -> None:
    """While blobs move to the object store and back, files can be stored, read,
    replaced and deleted.
    """
    wharf.fill(wharf.service(DISK), "first")
    for new, old in ((wharf.bucket, DISK), (DISK, wharf.bucket)):
        service = wharf.service(new, old)
        ended, faults = threading.Event(), list[str]()
        first = {key: value for key, value in wharf.contents.items() if key.startswith("first")}

        def read() -> None:
            while not ended.is_set():  # noqa: B023 -- ends before the next turn
                for key, expected in first.items():  # noqa: B023
                    if content(service.store, service, key) != expected:  # noqa: B023
                        faults.append(key)  # noqa: B023

        reader = threading.Thread(target=read)
        reader.start()
        with wharf.start(new, old, "--rate-bytes-per-second", str(_LARGE * 3)) as move:
            number = 0
            while move.poll() is None:
                wharf.put(service, f"live-{number % 7}", b"live %d" % number)
                if number % 5 == 4:
                    del wharf.contents[f"live-{number % 7}"]
                    service.request("DELETE", f"/v1/files/default/live-{number % 7}")
                    sweep(service)
                number += 1
            assert move.stdout is not None
            said = move.stdout.read()
        ended.set()
        reader.join()
        assert (move.returncode, faults) == (0, []), said
        assert number
        assert_sound(service)
        _, old_store = bootstrap.moving_stores(service.settings)
        assert list(old_store.blobs()) == []
        alone = replace(service.settings, blob_old_url="")
        for key, expected in wharf.contents.items():
            assert content(bootstrap.open_store(alone), service, key) == expected


def test_neighbouring_settings(wharf: MovingWharf) -> None:
    """In each step of docs/moving-blobs.md a replica reads the files of replicas that
    are one step apart.
    """
    steps = [(DISK, ""), (DISK, wharf.bucket), (wharf.bucket, DISK), (wharf.bucket, "")]
    services = [wharf.service(*step) for step in steps]
    for earlier, later in pairwise(services[:3]):
        for number, (writer, reader) in enumerate(((earlier, later), (later, earlier))):
            wharf.put(writer, f"file-{number}", os.urandom(9))
            key = f"file-{number}"
            assert content(reader.store, reader, key) == wharf.contents[key]
    wharf.run(wharf.bucket, DISK, "move-blobs")
    for service in services[2:]:
        for key, expected in wharf.contents.items():
            assert content(service.store, service, key) == expected


def test_a_damaged_file(wharf: MovingWharf) -> None:
    """A move names a file whose bytes have changed on the disk, leaves it, and exits with 1."""
    service = wharf.service(DISK)
    wharf.put(service, "right", b"right")
    wharf.put(service, "damaged", b"right")
    file = service.records.file("demo", "default", "damaged")
    assert file is not None
    name = BlobName("demo", file.blob)
    path = service.settings.data / "tenants" / service.store.gateway_place(name).location
    path.chmod(0o600)
    path.write_bytes(b"wrong")
    assert wharf.run(wharf.bucket, DISK, "move-blobs", "--dry-run") == (
        "in the old place: 2 files, 10 bytes\n"
    )
    with wharf.start(wharf.bucket, DISK) as move:
        assert move.stdout is not None
        said = move.stdout.read()
    assert move.returncode == 1
    assert f"demo/{file.blob}: its bytes have changed\n" in said
    assert "1 files could not be moved" in said
    assert [found.name for found in service.store.blobs()] == [name]


def test_nothing_to_move(wharf: MovingWharf) -> None:
    """Without WHARF_BLOB_OLD_URL, `move-blobs` reports that there is nothing to move."""
    wharf.service(DISK)
    with wharf.start(DISK, "") as move:
        assert move.stdout is not None
        said = move.stdout.read()
    assert move.returncode == 1
    assert said == "wharf-upload: WHARF_BLOB_OLD_URL is empty: there is nothing to move\n"


def sweep(service: UploadService) -> None:
    """Sweep as the worker does, but remove deleted files immediately. Young leftovers stay."""
    root = service.settings.spool_folder.parent
    Sweeper(service.store, service.records, root, replace(ages(3600), deleted_grace=0)).run()
