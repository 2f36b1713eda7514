"""Tests of the check that compares records and store, while files are added and deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random

import pytest

from servicekit.ids import uuid7_hex
from servicekit.testing import Issuer
from tests.servers.hourly_store import HourlyStore
from tests.servers.unfinished import new_upload
from tests.servers.upload import UploadService, assemble
from wharf_upload.maintenance import integrity
from wharf_upload.maintenance.listed_blobs import ListedBlobs
from wharf_upload.storage.base import BlobName, Found, Made
from wharf_upload.storage.memory import MemoryStore
from wharf_upload.storage.timed import TimedStore

_LATER = 1e10


@pytest.fixture
def objects() -> HourlyStore:
    """Return the object store of `service`."""
    return HourlyStore()


@pytest.fixture
def service(upload: UploadService, objects: HourlyStore, issuer: Issuer) -> UploadService:
    """Return a service whose blobs are in an object store."""
    return assemble(upload.settings, issuer, TimedStore(objects))


def told(service: UploadService, *, limit: float = _LATER, read_all: bool = False) -> list[str]:
    """Return the lines of a check, leftovers first."""
    listed = ListedBlobs()
    return [
        *integrity.leftovers(service.store, service.records, limit, listed),
        *integrity.faults(service.store, service.records, read_all=read_all, listed=listed),
    ]


def name_of(service: UploadService, key: str) -> BlobName:
    """Return the name of a file's blob."""
    file = service.records.file("demo", "default", key)
    assert file is not None
    return BlobName("demo", file.blob)


def test_one_list_for_many_files(service: UploadService, objects: HourlyStore) -> None:
    """A check without faults lists the store once and asks for no single blob."""
    for number in range(30):
        service.put(f"{number}", b"content")
    service.request("DELETE", "/v1/files/default/7")
    assert told(service) == []
    assert (objects.listed, objects.opened) == ([None], [])


@pytest.mark.parametrize("read_all", [False, True])
def test_both_ways(service: UploadService, objects: HourlyStore, *, read_all: bool) -> None:
    """The check reports missing, cut and (if it reads all) changed files, and rowless blobs."""
    for key in ("whole", "missing", "cut", "changed"):
        service.put(key, b"content")
    names = {key: name_of(service, key) for key in ("missing", "cut", "changed")}
    for name in names.values():
        objects.delete(name)
    objects.put(names["cut"], b"cont")
    objects.put(names["changed"], b"CONTENT")
    left = BlobName("demo", uuid7_hex())
    objects.put(left, b"12345")
    expected = [
        f"demo: blob {left.blob}: no record names its 5 bytes",
        "demo/default/missing: its bytes are missing",
        "demo/default/cut: "
        + ("its bytes have changed" if read_all else "has 4 bytes instead of 7"),
        *(["demo/default/changed: its bytes have changed"] if read_all else []),
    ]
    assert sorted(told(service, read_all=read_all)) == sorted(expected)


def test_uploads_under_way(upload: UploadService, service: UploadService) -> None:
    """The check skips a young rowless blob. The age is that of the blob's file, or follows from
    the time in the blob's name.
    """
    for one in (upload, service):
        one.store.put(BlobName("demo", uuid7_hex()), b"x")
        (found,) = one.store.blobs()
        age = found.changed_at if one is upload else found.name.made_at
        assert abs(age - time.time()) < 60
        assert told(one, limit=age - 1) == []
        assert len(told(one, limit=age)) == 1


def test_what_ends_meanwhile(
    service: UploadService, objects: HourlyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is deleted and swept during the check is neither missing nor a leftover."""
    for key in ("listed", "unlisted"):
        service.put(key, b"content")
    unlisted = name_of(service, "unlisted")
    objects.delete(unlisted)
    blobs = MemoryStore.blobs

    def ending(made: Made | None = None) -> Iterator[Found]:
        found = list(blobs(objects, made))
        service.request("DELETE", "/v1/files/default/listed")
        service.records.forget_pending_deletions([found[0].name.blob])
        objects.delete(found[0].name)
        yield from found

    def opening(name: BlobName) -> object:
        service.request("DELETE", "/v1/files/default/unlisted")
        return MemoryStore.open(objects, name)

    monkeypatch.setattr(objects, "blobs", ending)
    monkeypatch.setattr(objects, "open", opening)
    assert told(service) == []


def test_what_is_replaced_meanwhile(
    service: UploadService, objects: HourlyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is replaced during the check is not missing, though its old blob is swept."""
    service.put("replaced", b"content")
    old = name_of(service, "replaced")

    def opening(name: BlobName) -> object:
        if name == old:
            service.put("replaced", b"other")
            objects.delete(old)
        return MemoryStore.open(objects, name)

    monkeypatch.setattr(objects, "open", opening)
    faults = integrity.faults(service.store, service.records, read_all=True)
    assert list(faults) == []


def test_uploads_without_their_bytes(service: UploadService) -> None:
    """The check names an unfinished upload without bytes, unless it ends during the check."""
    uploads = service.records.uploads
    made = [new_upload(1, expires_at=2**50) for _ in range(2)]
    for upload in made:
        uploads.create(upload)
    lost, ended = sorted(made, key=lambda upload: upload.id)

    class Parts:
        """The folder of partial uploads, without any file."""

        def size(self, upload: str) -> int:
            if upload == ended.id:
                uploads.remove(ended)
            return service.context.parts.size(upload)

    found = list(integrity.upload_faults(Parts(), uploads))  # type: ignore[arg-type]
    assert found == [f"demo: upload {lost.id}: its bytes are missing"]


def test_what_comes_meanwhile(
    service: UploadService, objects: HourlyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was stored after the store was listed is not missing."""
    blobs = MemoryStore.blobs

    def coming(made: Made | None = None) -> Iterator[Found]:
        found = list(blobs(objects, made))
        service.put("late", b"content")
        yield from found

    monkeypatch.setattr(objects, "blobs", coming)
    assert told(service) == []
    assert objects.opened == [name_of(service, "late")]


def test_what_was_listed() -> None:
    """The set of listed blobs has exactly what was added, with sizes, in any order."""
    random, listed = Random(15), ListedBlobs()
    names = [(f"t{number % 7}", f"{random.getrandbits(128):032x}") for number in range(3000)]
    some = [Found(BlobName(*name), number, 0.0) for number, name in enumerate(names[:2000])]
    random.shuffle(some)
    listed.add_all(some[:1000])
    assert sum(listed.has(*name, number) for number, name in enumerate(names)) == 1000
    assert list(listed.noting(some[1000:])) == some[1000:]
    assert [listed.has(*name, number) for number, name in enumerate(names)] == (
        [True] * 2000 + [False] * 1000
    )
    assert not any(listed.has(*name, number + 1) for number, name in enumerate(names))
