"""`wharf-upload move-blobs` on a Wharf behind nginx that serves clients during the move."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.object_stores import ObjectStore
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.tenants import Signer
from wharf_upload.storage.layout import BlobLayout

_LARGE = 1 << 20
_SECONDS = 120


class Traffic:
    """Clients that repeatedly read the files `first`, and a client that stores other files."""

    def __init__(self, api: ApiClient) -> None:
        self._api, self._ended = api, threading.Event()
        self.first = {f"small-{number}": os.urandom(number) for number in range(20)}
        self.first |= {f"large-{number}": os.urandom(_LARGE) for number in range(2)}
        self.written: dict[str, bytes] = {}
        self._faults: list[str] = []
        self._requests = 0

    def begin(self) -> None:
        """Store the first files."""
        for key, content in self.first.items():
            self._api.stored(key, content)

    @contextmanager
    def running(self, *, writing: bool) -> Iterator[None]:
        """Send requests while the context lasts, then check that no request failed."""
        works = (self._read, self._read_ranges, *((self._write,) if writing else ()))
        threads = [threading.Thread(target=self._until_ended, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()
            self._ended.clear()
        assert self._faults == []
        assert self._requests > len(self.first)

    def _until_ended(self, work: Callable[[], None]) -> None:
        while not self._ended.is_set():
            work()

    def _expect(self, key: str, status: int, content: bytes, **headers: str) -> None:
        answer = self._api.file(key, headers)
        self._requests += 1
        if (answer.status, answer.body) != (status, content):
            self._faults.append(f"{key}: {answer.status}, {len(answer.body)} bytes")
        self._ended.wait(0.02)  # the move also needs CPU time

    def _read(self) -> None:
        for key, content in self.first.items():
            self._expect(key, 200, content)

    def _read_ranges(self) -> None:
        for key, content in self.first.items():
            if len(content) > 15:
                self._expect(key, 206, content[5:15], Range="bytes=5-14")

    def _write(self) -> None:
        for number in range(10):
            key, content = f"written-{number}", os.urandom(100)
            status = self._api.put(key, content).status
            if status not in {200, 201}:
                self._faults.append(f"{key}: {status}")
            self.written[key] = content
            self._expect(key, 200, content)


def command(wharf: Wharf, settings: dict[str, str], *arguments: str) -> str:
    """Run `wharf-upload`, check that it succeeds, and return its output."""
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


def test_between_disk_and_object_store(radosgw: ObjectStore, tmp_path: Path) -> None:
    """No request fails while blobs move from the object store to the disk and back."""
    data, bucket = tmp_path / "data", radosgw.new_bucket()
    keys, url = str(radosgw.key_file(tmp_path)), radosgw.url(bucket, "wharf")
    common = {"WHARF_BLOB_KEY_FILE": keys, "WHARF_DELETED_GRACE_SECONDS": "2"}
    on_store = common | {"WHARF_BLOB_URL": url, "WHARF_BLOB_OLD_URL": "disk"}
    # The serving processes read from both places in either direction.
    to_disk = common | {"WHARF_BLOB_URL": "", "WHARF_BLOB_OLD_URL": url}
    rate = ("--rate-bytes-per-second", str(_LARGE))
    with running(data, WHARF_SWEEP_SECONDS="1", **on_store) as wharf:
        api = Signer(wharf).client()
        traffic = Traffic(api)
        traffic.begin()
        assert list(BlobLayout(data).blobs()) == []
        with traffic.running(writing=False):
            said = command(wharf, to_disk, "move-blobs", *rate)
        assert "nothing is left in the old place" in said
        assert radosgw.keys(bucket) == []
        with traffic.running(writing=True):
            said = command(wharf, on_store, "move-blobs", *rate)
        assert f"moved: {len(traffic.first)} files\n" in said
        assert list(BlobLayout(data).blobs()) == []
        for key, content in (traffic.first | traffic.written).items():
            assert api.file(key).body == content
        alone = on_store | {"WHARF_BLOB_OLD_URL": ""}
        assert "faults: 0" in command(wharf, alone, "check", "--read-all")
