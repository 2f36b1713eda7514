"""Further guarantees of a moving store, with the disk as the new or as the old store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servicekit.ids import uuid7_hex
from wharf_upload.storage.base import BlobMissing, BlobName, BlobReader, GatewayPlace
from wharf_upload.storage.local import LocalReader, LocalStore
from wharf_upload.storage.memory import MemoryStore
from wharf_upload.storage.moving import MovingStore
from wharf_upload.storage.timed import TimedStore


def new_name() -> BlobName:
    return BlobName("demo", uuid7_hex())


class Objects(MemoryStore):
    """A memory store that stands for an object store: it signs, has a leftover, and
    may fail its check.
    """

    def __init__(self) -> None:
        super().__init__()
        self.left = {"an upload": 7.0}
        self.trouble: str | None = None

    def gateway_place(self, name: BlobName) -> GatewayPlace:
        """Return a signed place that is not on the disk."""
        return GatewayPlace("elsewhere", f"/bucket/{name.blob}?signed", on_disk=False)

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Return the leftovers that were not removed."""
        return iter(self.left.items())

    def remove_leftover(self, name: str) -> None:
        """Remove the leftover."""
        del self.left[name]

    def check(self) -> str | None:
        """Return the error that the test has set."""
        return self.trouble


def _nothing() -> None:
    """Do nothing."""


class Disk(LocalStore):
    """A disk that runs a function after it did not find a blob."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, durable=False)
        self.prepare()
        self.afterwards: Callable[[], None] = _nothing

    def open(self, name: BlobName) -> LocalReader:
        """Open the blob. When it is missing, run the function of the test and raise."""
        try:
            return super().open(name)
        except BlobMissing:
            self.afterwards()
            raise


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "data")


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture(params=["from the disk", "to the disk"])
def to_disk(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "to the disk")


@pytest.fixture
def moving(disk: Disk, objects: Objects, *, to_disk: bool) -> MovingStore:
    if to_disk:
        return MovingStore(disk, objects, new_is_on_disk=True)
    return MovingStore(objects, disk)


def read(reader: BlobReader) -> bytes:
    with reader:
        return reader.read()


def test_both_are_read(disk: Disk, objects: Objects, moving: MovingStore) -> None:
    """A blob is read from the store that has it, and listed once if both have it."""
    on_disk, elsewhere, in_both = new_name(), new_name(), new_name()
    disk.put(on_disk, b"disk")
    objects.put(elsewhere, b"objects")
    disk.put(in_both, b"both")
    objects.put(in_both, b"both")
    assert read(moving.open(on_disk)) == b"disk"
    assert read(moving.open(elsewhere)) == b"objects"
    assert read(moving.open(in_both)) == b"both"
    found = [one.name for one in moving.blobs()]
    assert sorted(found, key=str) == sorted((on_disk, elsewhere, in_both), key=str)
    assert not moving.lists_by_hour


def test_new_blobs_go_to_the_new_store(
    disk: Disk, objects: Objects, moving: MovingStore, *, to_disk: bool
) -> None:
    """New blobs are only in the new store, and the free space is that of the new store."""
    written, put = new_name(), new_name()
    writer = moving.create(written)
    writer.write(b"x")
    writer.commit()
    moving.put(put, b"x")
    new, old = (disk, objects) if to_disk else (objects, disk)
    assert {one.name for one in new.blobs()} == {written, put}
    assert list(old.blobs()) == []
    assert moving.room().bytes == new.room().bytes


@pytest.mark.parametrize("many", [False, True])
def test_both_are_deleted(disk: Disk, objects: Objects, moving: MovingStore, *, many: bool) -> None:
    """A deletion removes the blob from both stores."""
    name = new_name()
    disk.put(name, b"x")
    objects.put(name, b"x")
    if many:
        assert moving.delete_all([name]) == []
    else:
        moving.delete(name)
    assert [*disk.blobs(), *objects.blobs()] == []


def test_what_one_cannot_delete(
    disk: Disk, objects: Objects, moving: MovingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`delete_all` returns the blobs that one of the stores could not delete."""
    names = [new_name(), new_name()]
    for name in names:
        disk.put(name, b"x")
    monkeypatch.setattr(objects, "delete_all", lambda some: some[1:])
    assert moving.delete_all(names) == names[1:]


def test_a_blob_that_moves_to_the_disk_while_it_is_looked_for(disk: Disk, objects: Objects) -> None:
    """A blob that moves to the disk while it is opened is read."""
    name = new_name()
    objects.put(name, b"content")
    moving = MovingStore(disk, objects, new_is_on_disk=True)

    def move() -> None:
        disk.afterwards = _nothing
        disk.put(name, b"content")
        objects.delete(name)

    disk.afterwards = move
    assert read(moving.open(name)) == b"content"


def test_a_blob_that_moves_while_all_are_listed(
    disk: Disk, objects: Objects, moving: MovingStore, *, to_disk: bool
) -> None:
    """A blob that moves during the listing is in the listing."""
    new, old = (disk, objects) if to_disk else (objects, disk)
    names = {new_name() for _ in range(4)}
    for name in names:
        old.put(name, b"x")
    seen = set()
    for found in moving.blobs():
        seen.add(found.name)
        for name in names - seen:
            if name not in {one.name for one in new.blobs()}:
                new.put(name, b"x")
            old.delete(name)
    assert seen == names


def test_the_gateway_gets_both_places(disk: Disk, objects: Objects, moving: MovingStore) -> None:
    """The gateway's place has the location on the disk and the signed address
    at the object store.
    """
    name = new_name()
    location = disk.gateway_place(name).location
    signed = objects.gateway_place(name).signed
    assert moving.gateway_place(name) == GatewayPlace(location, signed, on_disk=True)


def test_leftovers_of_both(disk: Disk, objects: Objects, moving: MovingStore) -> None:
    """The leftovers of both stores are listed, and each is removed from its store."""
    disk.create(new_name())
    left = dict(moving.leftovers())
    assert len(left) == 2
    assert 7.0 in left.values()
    for name in left:
        moving.remove_leftover(name)
    assert [*disk.leftovers(), *objects.leftovers()] == []


def test_check_of_both(disk: Disk, objects: Objects, moving: MovingStore) -> None:
    """The check reports an error of either store."""
    assert moving.check() is None
    objects.trouble = "it is down"
    assert moving.check() == "it is down"
    objects.trouble = None
    disk.check = lambda: "the disk is away"  # type: ignore[method-assign]
    assert moving.check() == "the disk is away"


def test_waits_of_both_are_noted(disk: Disk, objects: Objects, moving: MovingStore) -> None:
    """Both stores report their waits to `TimedStore`."""
    TimedStore(moving)
    assert disk.on_sync is objects.on_sync is moving.on_sync
