"""Further guarantees of a store on an object store: parts, digests, pages, keys."""

from __future__ import annotations

import hashlib
import os
import socket
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from servicekit.ids import uuid7_hex
from servicekit.metric_buffers import MetricBuffer
from tests.servers.object_store_drivers import object_driver, object_store
from tests.servers.object_stores import ObjectStore
from tests.servers.stores import OBJECT_STORES
from wharf_upload.domain.bucket_place import parse_bucket_place
from wharf_upload.storage.base import BlobName, StoreError
from wharf_upload.storage.s3 import deleting, metrics, uploading
from wharf_upload.storage.s3.keys import KeyFile
from wharf_upload.storage.s3.listing import Listing
from wharf_upload.storage.s3.store import S3Store
from wharf_upload.storage.spool_file import SpoolFile

_FIVE = 5 << 20  # the smallest part that a store takes
_SIZE = 2 * _FIVE + 12_345


@pytest.fixture(params=OBJECT_STORES)
def server(request: pytest.FixtureRequest) -> ObjectStore:
    """Return a server of objects."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, ObjectStore)
    return found


@pytest.fixture
def bucket(server: ObjectStore) -> str:
    return server.new_bucket()


@pytest.fixture
def store(server: ObjectStore, bucket: str, tmp_path: Path) -> S3Store:
    """Return a store in the bucket."""
    return object_driver(server, tmp_path / "spool", bucket)


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SpoolFile]:
    """Yield a body that is sent in three parts."""
    monkeypatch.setattr(uploading, "ONE_PUT_BYTES", _FIVE)
    monkeypatch.setattr(uploading, "_PART_BYTES", _FIVE)
    path = tmp_path / "large"
    path.write_bytes(os.urandom(_SIZE))
    with SpoolFile.open(str(path)) as spool:
        yield spool


def new_name() -> BlobName:
    return BlobName("demo", uuid7_hex())


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Counter[tuple[str, ...]]]:
    """Return a function that returns the requests since its last call, by operation and outcome."""
    buffer = MetricBuffer()  # not exported
    monkeypatch.setattr(metrics, "requests", buffer)
    return lambda: Counter(labels for labels, _ in buffer.drain())


def test_a_large_file_goes_in_parts(
    store: S3Store, large: SpoolFile, requests: Callable[[], Counter[tuple[str, ...]]]
) -> None:
    """A large file becomes one object, with exactly the requests that the
    guide for operators lists.
    """
    name = new_name()
    store.adopt(name, large).commit()
    assert requests() == {
        ("create_multipart", "ok"): 1,
        ("upload_part", "ok"): 3,
        ("complete_multipart", "ok"): 1,
        ("head", "ok"): 1,
    }
    with store.open(name) as stream:
        assert stream.size() == _SIZE
        assert stream.read() == large.read_at(0, _SIZE)
    assert list(store.leftovers()) == []


def test_a_file_that_ends_early_leaves_nothing(
    store: S3Store, server: ObjectStore, bucket: str, large: SpoolFile
) -> None:
    """If a file cannot be read to its end while its parts are sent, no object
    and no leftover stays.
    """
    os.truncate(large.path, _FIVE + 1)
    pending = store.adopt(new_name(), large)
    with pytest.raises(StoreError):
        pending.commit()
    assert server.keys(bucket) == []
    assert server.unfinished(bucket) == []


def test_a_wrong_digest_is_refused(store: S3Store, server: ObjectStore, bucket: str) -> None:
    """The object store verifies the digest and refuses content that does not match it."""
    with pytest.raises(StoreError, match="digest"):
        store.put(new_name(), b"content", hashlib.sha256(b"other content").digest())
    assert server.keys(bucket) == []


def test_the_gateway_reads_with_no_keys(store: S3Store, server: ObjectStore) -> None:
    """The signed place serves the bytes, and a range of them, to a client without keys."""
    name = new_name()
    store.put(name, b"0123456789")
    place = store.gateway_place(name)
    assert not place.on_disk
    address = server.endpoint + place.signed
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"0123456789"
    with urllib.request.urlopen(
        urllib.request.Request(address, headers={"Range": "bytes=2-4"})
    ) as answer:
        assert (answer.status, answer.read()) == (206, b"234")


def test_leftovers(store: S3Store, server: ObjectStore, bucket: str) -> None:
    """An unfinished upload of the store is a leftover until its removal. Uploads of other
    programs are no leftovers.
    """
    name = new_name()
    store.put(name, b"x")
    (key,) = server.keys(bucket)
    unfinished = [
        server.client.create_multipart_upload(Bucket=bucket, Key=one)["UploadId"]
        for one in (key, "of/somebody/else")
    ]
    ((left, _),) = store.leftovers()
    assert left == f"{key} {unfinished[0]}"
    store.remove_leftover(left)
    store.remove_leftover(left)
    assert list(store.leftovers()) == []
    assert server.unfinished(bucket) == ["of/somebody/else"]


def test_pages(store: S3Store, server: ObjectStore, bucket: str) -> None:
    """A listing of several pages has every blob once, and no foreign object."""
    names = [new_name() for _ in range(5)]
    for name in names:
        store.put(name, b"x")
    server.client.put_object(Bucket=bucket, Key="blobs/of/somebody/else", Body=b"x")
    paged = Listing(store._client, "blobs/", page=2)
    found = [one.name for one in paged.blobs(None)]
    assert len(found) == 5
    assert set(found) == set(names)


def test_deletion_in_turns(
    store: S3Store,
    requests: Callable[[], Counter[tuple[str, ...]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More blobs than one request can name are deleted with as few requests as possible."""
    monkeypatch.setattr(deleting, "_MOST_AT_ONCE", 2)
    names = [new_name() for _ in range(5)]
    for name in names:
        store.put(name, b"x")
    requests()
    assert store.delete_all(names) == []
    assert requests() == {("delete", "ok"): 3}
    assert list(store.blobs()) == []


def test_a_rule_of_the_bucket(radosgw: ObjectStore, tmp_path: Path) -> None:
    """The rule for unfinished uploads is added once, and not when the bucket has other rules."""
    bucket = radosgw.new_bucket()
    store = object_driver(radosgw, tmp_path / "spool", bucket)
    store.add_lifecycle_rule()
    store.add_lifecycle_rule()
    (rule,) = radosgw.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["ID"] == "wharf-unfinished-uploads blobs/"
    assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 2
    others = {
        "ID": "others",
        "Status": "Enabled",
        "Filter": {"Prefix": "logs/"},
        "Expiration": {"Days": 9},
    }
    radosgw.client.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [others]}
    )
    store.add_lifecycle_rule()
    (rule,) = radosgw.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["ID"] == "others"


def test_a_store_without_rules(swift: ObjectStore, tmp_path: Path) -> None:
    """A store that does not support lifecycle rules works without them."""
    store = object_driver(swift, tmp_path / "spool")
    store.add_lifecycle_rule()
    assert store.check() is None


def test_tls(radosgw_tls: ObjectStore, tmp_path: Path, large: SpoolFile) -> None:
    """With the certificate's authority all requests work over TLS."""
    store = object_store(radosgw_tls, tmp_path / "spool")
    small, parted = new_name(), new_name()
    store.put(small, b"small")
    store.adopt(parted, large).commit()
    with store.open(small) as stream:
        assert stream.read() == b"small"
    assert {found.name: found.size for found in store.blobs()} == {small: 5, parted: _SIZE}
    assert store.check() is None


def test_virtual_style(
    radosgw: ObjectStore, tmp_path: Path, large: SpoolFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the bucket in the host name, all requests of the service and of the gateway work."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest: resolve(str(host).rpartition(".")[2], *rest)
    )
    bucket = radosgw.new_bucket()
    port = urlsplit(radosgw.endpoint).port
    place = parse_bucket_place(f"s3://{bucket}/v?endpoint=http://localhost:{port}&style=virtual")
    keys = KeyFile(str(radosgw.key_file(tmp_path)))
    store = S3Store(place, keys, ca="", spool_folder=tmp_path)
    small, parted = new_name(), new_name()
    store.put(small, b"small")
    store.adopt(parted, large).commit()
    assert {found.name for found in store.blobs()} == {small, parted}
    with urllib.request.urlopen(
        f"http://{place.signed_host}{store.gateway_place(small).signed}"
    ) as answer:
        assert answer.read() == b"small"
    assert store.delete_all([small, parted]) == []
    assert radosgw.keys(bucket) == []
    assert store.check() is None


def test_after_a_fork(radosgw: ObjectStore, tmp_path: Path) -> None:
    """A forked process opens its own connections, and no blob gets the content of another blob."""
    store = object_driver(radosgw, tmp_path / "spool")
    store.put(new_name(), b"before")
    assert len(list(store.blobs())) == 1
    child = os.fork()
    if not child:
        failed = True
        try:
            for _ in range(20):
                name = new_name()
                store.put(name, name.blob.encode())
                with store.open(name) as stream:
                    assert stream.read() == name.blob.encode()
            failed = len(list(store.blobs())) < 21
        finally:
            os._exit(failed)
    for _ in range(20):
        name = new_name()
        store.put(name, name.blob.encode())
        with store.open(name) as stream:
            assert stream.read() == name.blob.encode()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(list(store.blobs())) == 41
