"""An upload service whose blobs are objects in a bucket, behind a proxy that can misbehave."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from werkzeug.test import TestResponse

from servicekit.testing import Issuer
from tests.servers.faulty_store import FaultyStore
from tests.servers.object_stores import ObjectStore
from tests.servers.upload import UploadService, ages, assemble, form_body, settings_for
from tests.servers.upload_invariants import assert_nothing_else, assert_sound, live
from wharf_upload import bootstrap
from wharf_upload.maintenance.sweeper import Sweeper
from wharf_upload.settings import Settings
from wharf_upload.storage.s3 import uploading, wire
from wharf_upload.storage.s3.tries import Patience
from wharf_upload.storage.timed import TimedStore

SMALL, SPOOLED = b"small\n" * 100, b"spooled\0" * 40_000
# Three parts, if a part has the smallest size that stores allow.
LARGE = bytes(range(256)) * (11 << 12)
PREFIX = "some/prefix"


@dataclass(frozen=True)
class Way:
    """A way to send files: the requests, and the files that exist afterwards."""

    send: Callable[[UploadService], TestResponse]
    files: dict[str, bytes]


def _form(service: UploadService) -> TestResponse:
    return service.post_form(form_body(WAYS["form"].files.items()))


WAYS = {
    "small": Way(lambda service: service.put("s.txt", SMALL), {"s.txt": SMALL}),
    "spooled": Way(lambda service: service.put("p.bin", SPOOLED, spooled=True), {"p.bin": SPOOLED}),
    "form": Way(_form, {"one.txt": SMALL, "two.bin": SPOOLED}),
    "large": Way(lambda service: service.put("l.bin", LARGE, spooled=True), {"l.bin": LARGE}),
}


@contextmanager
def waiting(seconds: float) -> Iterator[None]:
    """Limit the wait of the service for a silent store, in requests that do not use boto3."""
    # Two separate objects with equal values, because the service compares their identity.
    short, long = Patience(seconds, 0.5), Patience(seconds, 0.5)
    with pytest.MonkeyPatch.context() as patched:
        for module in (uploading, wire):
            patched.setattr(module, "SHORT", short)
            patched.setattr(module, "LONG", long)
        patched.setitem(wire.Wire.send.__kwdefaults__ or {}, "patience", short)
        yield


@dataclass
class OnS3:
    """The service, the proxy in front of its store, and the bucket."""

    service: UploadService
    bucket: Bucket

    @property
    def proxy(self) -> FaultyStore:
        """Return the proxy, which misbehaves on demand."""
        return self.bucket.proxy

    def keys(self) -> list[str]:
        """Return the names of all objects."""
        return self.bucket.store.keys(self.bucket.name)

    def clear(self) -> None:
        """Remove all objects."""
        for key in self.keys():
            self.bucket.store.client.delete_object(Bucket=self.bucket.name, Key=key)

    def answer(self, way: str) -> tuple[int, str]:
        """Send files in this way and return the status, and the slug of the problem
        or an empty text.
        """
        reply = WAYS[way].send(self.service)
        slug = str((reply.json or {}).get("type", "")) if reply.status_code >= 400 else ""
        return reply.status_code, slug.rpartition("/")[2]

    def delete(self, way: str) -> None:
        """Delete the files that this way has sent."""
        for key in WAYS[way].files:
            assert self.service.request("DELETE", f"/v1/files/default/{key}").status_code == 204

    def content(self, key: str) -> bytes:
        """Return the bytes that the gateway gets from the signed address in the response."""
        reply = self.service.request("GET", f"/v1/files/default/{key}")
        assert reply.headers["X-Accel-Redirect"] == "/_s3"
        with urlopen(self.proxy.endpoint + reply.headers["X-Wharf-Blob"], timeout=20) as answer:
            return bytes(answer.read())

    def assert_nothing(self) -> None:
        """Assert that no file is visible, and that the bucket is empty after a sweep."""
        assert live(self.service) == {}
        self.assert_swept()

    def assert_files(self, way: str) -> None:
        """Assert that exactly the files of this way exist, with their bytes, even after a sweep."""
        files = WAYS[way].files
        wanted = {key: hashlib.sha256(content).hexdigest() for key, content in files.items()}
        assert live(self.service) == wanted
        for key, content in files.items():
            assert self.content(key) == content
        self.assert_swept()

    def assert_swept(self) -> None:
        """Assert that rows and objects match, and that the sweeper leaves no other
        object in the bucket.
        """
        assert_sound(self.service)
        # All hours, because a test sweeps several times in one hour.
        root = self.service.settings.spool_folder.parent
        Sweeper(self.service.store, self.service.records, root, ages()).run(all_hours=True)
        assert_nothing_else(self.service)
        rows = {file.blob for file in self.service.records.live_files()}
        assert {key.rpartition("/")[2] for key in self.keys()} == rows
        assert self.bucket.store.unfinished(self.bucket.name) == []
        assert_sound(self.service)


@dataclass(frozen=True)
class Bucket:
    """A bucket behind a proxy, and a file with the access keys of the store."""

    proxy: FaultyStore
    store: ObjectStore
    name: str
    key_file: Path

    def settings(self, data: Path) -> Settings:
        """Return the settings of a service in a data folder that stores its
        blobs in this bucket.
        """
        return settings_for(
            data,
            durability="relaxed",
            blob_url=self.store.behind(self.proxy.endpoint).url(self.name, PREFIX),
            blob_key_file=str(self.key_file),
        )

    def scene(self, data: Path, issuer: Issuer, blobs: TimedStore | None = None) -> OnS3:
        """Return a service in a data folder that has a database."""
        settings = self.settings(data)
        service = assemble(settings, issuer, blobs or bootstrap.open_store(settings))
        return OnS3(service, self)


def new_bucket(folder: Path, proxy: FaultyStore, store: ObjectStore) -> Bucket:
    """Make an empty bucket, and write the access keys of the store into a file in `folder`."""
    return Bucket(proxy, store, store.new_bucket(), store.key_file(folder))
