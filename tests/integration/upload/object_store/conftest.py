"""Fixtures for an upload service on an object store that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.faulty_store import FaultyStore
from tests.servers.object_stores import ObjectStore
from tests.servers.upload_on_s3 import Bucket, OnS3, new_bucket, waiting
from wharf_upload import bootstrap
from wharf_upload.storage.s3 import client, silence, uploading, wire
from wharf_upload.storage.s3.tries import Patience
from wharf_upload.storage.timed import TimedStore


@pytest.fixture(scope="session")
def faulty_radosgw(radosgw: ObjectStore) -> Iterator[FaultyStore]:
    """Yield a proxy in front of radosgw."""
    with FaultyStore(radosgw.endpoint) as proxy:
        yield proxy


@pytest.fixture
def proxy(faulty_radosgw: FaultyStore) -> Iterator[FaultyStore]:
    """Yield the proxy without faults."""
    faulty_radosgw.heal()
    yield faulty_radosgw
    faulty_radosgw.heal()


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the service upload small parts, and repeat failed requests only for a short time."""
    monkeypatch.setattr(uploading, "ONE_PUT_BYTES", 6 << 20)
    monkeypatch.setattr(uploading, "_PART_BYTES", 5 << 20)
    # The limit for connecting is smaller than the time for a response, so a test fails if the
    # client uses this limit for responses.
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 0.25)
    monkeypatch.setattr(silence, "_SECONDS", 0)
    # boto3's client is made once, and keeps this limit for all tests.
    monkeypatch.setattr(client, "LONG", Patience(read_seconds=1.5, total_seconds=0.5))
    with waiting(5):
        yield


@pytest.fixture(scope="session")
def bucket(
    faulty_radosgw: FaultyStore, radosgw: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> Bucket:
    """Return a bucket that each test leaves empty."""
    return new_bucket(tmp_path_factory.mktemp("keys"), faulty_radosgw, radosgw)


@pytest.fixture(scope="session")
def blobs(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> TimedStore:
    """Return the store in the bucket. All tests share the store, because a client of boto3
    is slow to make.
    """
    return bootstrap.open_store(bucket.settings(tmp_path_factory.mktemp("blobs")))


@pytest.fixture
def scene(
    upload_data: Path,
    issuer: Issuer,
    proxy: FaultyStore,
    bucket: Bucket,
    blobs: TimedStore,
    small_parts: None,
) -> Iterator[OnS3]:
    """Yield a service behind the proxy, and remove its files at the end."""
    scene = bucket.scene(upload_data, issuer, blobs)
    with closing(scene.service.database):
        yield scene
        proxy.heal()
        scene.clear()
