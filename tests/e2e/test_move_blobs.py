"""docs/moving-blobs.md on a Wharf behind nginx: to an object store, and back, under load."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.api_client import ApiClient
from tests.e2e.instance import Wharf, running
from tests.e2e.raw_http import until
from tests.e2e.tenants import Signer
from tests.servers.object_stores import ObjectStore
from wharf_upload.storage.layout import BlobLayout

_LARGE = 1 << 20
_SECONDS = 120


class Traffic:
    """Clients that read everything, again and again, and one that writes; `files` is all."""

    def __init__(self, api: ApiClient, files: dict[str, bytes]) -> None:
        self._api, self.files = api, files
        self._ended = threading.Event()
        self.faults: list[str] = []
        self.requests = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Sends requests meanwhile; afterwards, none may have failed."""
        first = {key: it for key, it in self.files.items() if not key.startswith("meanwhile")}
        threads = [
            threading.Thread(target=self._until_ended, args=(work,))
            for work in (lambda: self._read(first), lambda: self._ranges(first), self._write)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()
            self._ended.clear()
        assert self.faults == []

    def _until_ended(self, work: object) -> None:
        assert callable(work)
        while not self._ended.is_set():
            work()
            self._ended.wait(0.05)  # the move has to get its turn, too

    def _expect(self, key: str, status: int, content: bytes, **headers: str) -> None:
        answer = self._api.get(f"/v1/files/default/{key}", headers)
        self.requests += 1
        if (answer.status, answer.body) != (status, content):
            self.faults.append(f"{key}: {answer.status}, {len(answer.body)} bytes")

    def _read(self, first: dict[str, bytes]) -> None:
        for key, content in first.items():
            self._expect(key, 200, content)
            self._ended.wait(0.01)

    def _ranges(self, first: dict[str, bytes]) -> None:
        for key, content in first.items():
            if len(content) > 20:
                self._expect(key, 206, content[10:20], Range="bytes=10-19")

    def _write(self) -> None:
        number = self.requests
        key, content = f"meanwhile-{number % 20}", b"version %d" % number
        status = self._api.put(key, content).status
        if status not in {200, 201}:
            self.faults.append(f"{key}: {status}")
        self.files[key] = content
        self._expect(key, 200, content)


def command(wharf: Wharf, settings: dict[str, str], *arguments: str) -> str:
    """What `wharf-upload` says, which has to succeed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHARF_")}
    done = subprocess.run(
        [sys.executable, "-c", "from wharf_upload.cli import main; main()", *arguments],
        env={**kept, **settings, "WHARF_DATA": str(wharf.data)},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_to_an_object_store_and_back(radosgw: ObjectStore, tmp_path: Path) -> None:
    """No request fails while files move to the store and back; then the old place is empty."""
    data, bucket, tenant = tmp_path / "data", radosgw.new_bucket(), "mover"
    common = {
        "WHARF_BLOB_KEY_FILE": str(radosgw.key_file(tmp_path)),
        "WHARF_DELETED_GRACE_SECONDS": "2",
        "WHARF_SWEEP_SECONDS": "1",
    }
    url = radosgw.url(bucket, "wharf")
    on_disk = common | {"WHARF_BLOB_URL": "", "WHARF_BLOB_OLD_URL": url}
    on_store = common | {"WHARF_BLOB_URL": url, "WHARF_BLOB_OLD_URL": "disk"}
    files = {f"small-{number}": os.urandom(number) for number in range(30)}
    files |= {f"large-{number}": os.urandom(_LARGE) for number in range(2)}
    with running(data, **on_disk) as wharf:
        api = Signer(wharf).client(tid=tenant)
        for key, content in files.items():
            api.stored(key, content)
        assert radosgw.keys(bucket) == []
    for settings in (on_store, on_disk):
        with running(data, **settings) as wharf:
            api = Signer(wharf).client(tid=tenant)
            traffic = Traffic(api, files)
            with traffic.running():
                rate = ("--rate-bytes-per-second", str(2 * _LARGE))
                said = command(wharf, settings, "move-blobs", *rate)
            assert "moved: " in said
            assert traffic.requests > len(files)
            # What was replaced meanwhile is the sweeper's.
            if settings is on_store:
                assert until(lambda: not list(BlobLayout(data).blobs()))
            else:
                assert until(lambda: not radosgw.keys(bucket))
            for key, content in files.items():
                assert api.get(f"/v1/files/default/{key}").body == content
            alone = settings | {"WHARF_BLOB_OLD_URL": ""}
            assert "faults: 0" in command(wharf, alone, "check", "--read-all")
