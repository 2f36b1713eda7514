"""Contract of each store for stored blobs."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import suppress

import pytest

from servicekit.ids import uuid7_hex
from tests.servers.stores import EXCLUSIVE
from wharf_upload.storage.base import (
    BlobMissing,
    BlobName,
    BlobStore,
    Made,
    StoreError,
)
from wharf_upload.storage.spool_file import SpoolFile


def new_name(tenant: str = "demo") -> BlobName:
    return BlobName(tenant, uuid7_hex())


def content(store: BlobStore, name: BlobName) -> bytes:
    with store.open(name) as stream:
        return stream.read()


@pytest.mark.parametrize("body", [b"", b"x", b"\0\n\xff" * 100_000])
def test_put_then_open(store: BlobStore, body: bytes) -> None:
    """A blob has exactly the bytes that were put."""
    name = new_name()
    store.put(name, body)
    assert content(store, name) == body


def test_reading_in_pieces(store: BlobStore) -> None:
    """A reader knows the size of the blob before the first read, and the pieces together are the
    blob.
    """
    name = new_name()
    store.put(name, bytes(range(256)) * 1000)
    with store.open(name) as stream:
        assert stream.size() == 256_000
        pieces = list(iter(lambda: stream.read(100_000), b""))
    assert [len(piece) for piece in pieces] == [100_000, 100_000, 56_000]
    assert b"".join(pieces) == bytes(range(256)) * 1000


def test_put_with_its_digest(store: BlobStore) -> None:
    """A blob is stored when its given digest is right."""
    name = new_name()
    store.put(name, b"content", hashlib.sha256(b"content").digest())
    assert content(store, name) == b"content"


def test_missing(store: BlobStore) -> None:
    """Opening a missing blob raises `BlobMissing`, not an operating system error."""
    with pytest.raises(BlobMissing):
        store.open(new_name())


@pytest.mark.parametrize("store", EXCLUSIVE, indirect=True)
def test_a_taken_name_is_not_replaced(store: BlobStore, spool: SpoolFile) -> None:
    """A store that detects existing names refuses a second blob of a name, for
    each way of storing.
    """
    name = new_name()
    store.put(name, b"first")
    with pytest.raises(StoreError):
        store.put(name, b"second")
    adopted = store.adopt(name, spool)
    with pytest.raises(StoreError):
        adopted.commit()
    adopted.abort()
    created = store.create(name)
    with pytest.raises(StoreError):
        created.commit()
    created.abort()
    assert content(store, name) == b"first"
    assert list(store.leftovers()) == []


def test_the_same_blob_again(store: BlobStore) -> None:
    """A repeated `put`, as after a lost response, changes nothing, even if the store refuses it."""
    name = new_name()
    for _ in range(2):
        with suppress(StoreError):
            store.put(name, b"content", hashlib.sha256(b"content").digest())
    assert content(store, name) == b"content"
    assert [found.name for found in store.blobs()] == [name]
    assert list(store.leftovers()) == []


def test_delete(store: BlobStore) -> None:
    """Opening a deleted blob raises `BlobMissing`."""
    name = new_name()
    store.put(name, b"x")
    store.delete(name)
    with pytest.raises(BlobMissing):
        store.open(name)


def test_delete_again(store: BlobStore) -> None:
    """Deleting a missing blob is no error."""
    store.delete(new_name())


def test_delete_all(store: BlobStore) -> None:
    """`delete_all` removes all given blobs, skips missing ones, and removes no other blob."""
    names = [new_name(tenant) for tenant in ("acme", "demo") for _ in range(3)]
    for name in names:
        store.put(name, b"x")
    assert store.delete_all([*names[1:], new_name()]) == []
    assert [found.name for found in store.blobs()] == names[:1]
    assert store.delete_all([]) == []


def test_listing_of_a_span(store: BlobStore) -> None:
    """A listing of a span of time shows exactly the blobs whose names were made in this span."""
    hour = 3600.0
    begin = 1_800_000_000.0
    names = [BlobName("demo", _made_at(begin + number * hour)) for number in range(4)]
    for name in names:
        store.put(name, b"x")
    found = {one.name for one in store.blobs(Made(begin + hour, begin + 3 * hour))}
    assert found == set(names[1:3])


def _made_at(seconds: float) -> str:
    return f"{int(seconds * 1000):012x}{uuid7_hex()[12:]}"


def test_reader_outlives_deletion(store: BlobStore) -> None:
    """An open reader reads to the end after the blob was deleted."""
    name = new_name()
    store.put(name, b"x" * 100_000)
    with store.open(name) as stream:
        head = stream.read(10)
        store.delete(name)
        assert head + stream.read() == b"x" * 100_000


def test_tenants_are_apart(store: BlobStore) -> None:
    """One blob id under two tenants names two blobs."""
    blob = uuid7_hex()
    store.put(BlobName("acme", blob), b"acme's")
    store.put(BlobName("demo", blob), b"demo's")
    store.delete(BlobName("acme", blob))
    assert content(store, BlobName("demo", blob)) == b"demo's"


def test_listing(store: BlobStore) -> None:
    """The listing shows every blob of every tenant once, with its size and time of change."""
    begin = time.time()
    names = [new_name(tenant) for tenant in ("acme", "demo", "demo")]
    for size, name in enumerate(names):
        store.put(name, b"x" * size)
    found = {one.name: one for one in store.blobs()}
    assert len(list(store.blobs())) == 3
    assert {name: found[name].size for name in names} == dict(zip(names, range(3), strict=True))
    assert all(begin - 1 <= one.changed_at <= time.time() + 1 for one in found.values())


def test_listing_during_deletion(store: BlobStore) -> None:
    """A blob that is deleted during the listing does not end the listing."""
    for _ in range(5):
        store.put(new_name(), b"x")
    seen = 0
    for found in store.blobs():
        store.delete(found.name)
        seen += 1
    assert seen == 5
    assert list(store.blobs()) == []


def test_make_durable(store: BlobStore) -> None:
    """One call makes blobs of several tenants and in several folders durable, without an error."""
    names = [new_name(tenant) for tenant in ("acme", "demo") for _ in range(3)]
    for name in names:
        store.put(name, b"x")
    store.make_durable(names)
    store.make_durable([])


def test_gateway_place(store: BlobStore) -> None:
    """The gateway's location is relative, names tenant and blob, and has no `..`."""
    name = new_name()
    parts = store.gateway_place(name).location.split("/")
    assert parts[0] == name.tenant
    assert parts[-1] == name.blob
    assert not {"", ".", ".."} & set(parts)


def test_many_threads(store: BlobStore) -> None:
    """If sixteen threads store in new folders at the same time, no blob is lost
    or gets other content.
    """
    names = [new_name(f"tenant-{number % 4}") for number in range(64)]
    failures: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for name in names[first::16]:
                store.put(name, name.blob.encode())
            store.make_durable(names[first::16])
        except BaseException as error:  # noqa: BLE001 -- shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(content(store, name) == name.blob.encode() for name in names)


def test_room_and_check(store: BlobStore) -> None:
    """A working store has space and passes its check."""
    assert store.room().bytes > 0
    assert store.check() is None


def test_no_descriptor_stays_open(store: BlobStore, spool: SpoolFile) -> None:
    """Storing, refusing, reading and deleting leave no descriptor open, except descriptors of
    connections that the store uses again.
    """
    counts = []
    for _ in range(2):
        _use(store, spool)
        counts.append(len(os.listdir("/proc/self/fd")))
    assert counts[0] == counts[1]


def _use(store: BlobStore, spool: SpoolFile) -> None:
    name = new_name()
    store.put(name, b"x")
    with suppress(StoreError):
        store.put(name, b"y")
    store.adopt(new_name(), spool).commit()
    store.adopt(new_name(), spool).abort()
    created = store.create(new_name())
    created.abort()
    with suppress(StoreError):
        store.adopt(name, spool).commit()
    content(store, name)
    store.open(name).close()
    list(store.blobs())
    store.delete(name)
    with pytest.raises(BlobMissing):
        store.open(name)
