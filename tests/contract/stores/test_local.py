"""Further guarantees of the store on a local disk: modes, folders, fsync, errors."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from servicekit.ids import uuid7_hex
from tests.servers.stores import local_store
from wharf_upload import timings
from wharf_upload.storage.base import BlobName, StoreBusy, StoreError, StoreFull
from wharf_upload.storage.local import LocalStore
from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.storage.timed import TimedStore


def new_name() -> BlobName:
    return BlobName("demo", uuid7_hex())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def local(data: Path) -> TimedStore:
    return local_store(data)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that collects the synced paths, in order."""
    paths: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        paths.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return paths


@pytest.fixture
def failing_fsync(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], list[str]]:
    """Return a function that makes fsync fail for paths with a given part,
    and lists those paths.
    """

    def install(number: int, part: str) -> list[str]:
        failed: list[str] = []
        real = os.fsync

        def fsync(descriptor: int) -> None:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if part in path:
                failed.append(path)
                raise OSError(number, os.strerror(number))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        return failed

    return install


def test_blob_is_read_only(local: TimedStore, data: Path) -> None:
    """A blob has mode 0440, for each way of storing."""
    spooled = data / "spooled"
    spooled.write_bytes(b"x")
    put, adopted, created = new_name(), new_name(), new_name()
    local.put(put, b"x")
    with SpoolFile.open(str(spooled)) as spool:
        local.adopt(adopted, spool).commit()
    local.create(created).commit()
    for name in (put, adopted, created):
        mode = (data / "tenants" / local.gateway_place(name).location).stat().st_mode
        assert stat.S_IMODE(mode) == 0o440


def test_what_a_killed_writer_left(local: TimedStore, data: Path) -> None:
    """The staged file of a killed writer does not prevent another writer of that blob."""
    name = new_name()
    killed, writer = local.create(name), local.create(name)
    writer.write(b"content")
    writer.commit()
    with local.open(name) as reader:
        assert reader.read() == b"content"
    assert [left for left, _ in local.leftovers()] == [name.blob]
    killed.abort()


def test_adopting_copies_nothing(local: TimedStore, data: Path) -> None:
    """An adopted blob is the spool file itself, with the same inode."""
    spooled = data / "spooled"
    spooled.write_bytes(b"x")
    name = new_name()
    with SpoolFile.open(str(spooled)) as spool:
        local.adopt(name, spool).commit()
    blob = data / "tenants" / local.gateway_place(name).location
    assert blob.stat().st_ino == spooled.stat().st_ino


def test_adopting_follows_no_link(local: TimedStore, data: Path) -> None:
    """A symbolic link in the spool is refused, and its target is not stored."""
    secret = data / "secret"
    secret.write_bytes(b"secret")
    link = data / "spooled"
    link.symlink_to(secret)
    with pytest.raises(StoreError):
        SpoolFile.open(str(link))
    with SpoolFile.open(str(secret)) as spool:
        spool.path = str(link)
        with pytest.raises(StoreBusy):
            local.adopt(new_name(), spool)
    assert list(local.leftovers()) == []


def test_bytes_are_synced_before_names(local: TimedStore, data: Path, synced: list[str]) -> None:
    """A staged file is synced before it gets its name. Then each folder is synced,
    from the outermost on.
    """
    name = new_name()
    writer = local.create(name)
    writer.write(b"x")
    writer.commit()
    local.make_durable([name])
    folder = (data / "tenants" / local.gateway_place(name).location).parent
    assert synced == [
        str(data / "staging" / name.blob),
        str(data / "tenants"),
        str(folder.parent),
        str(folder),
    ]


def test_one_sync_for_a_folder(local: TimedStore, synced: list[str]) -> None:
    """Several names in one folder are made durable by one fsync."""
    stamp = uuid7_hex()[:12]
    names = [BlobName("demo", stamp + uuid7_hex()[12:]) for _ in range(6)]
    for name in names:
        local.put(name, b"x")
    local.make_durable(names[:1])  # the first call syncs the parents of the folder
    synced.clear()
    local.make_durable(names[1:])
    assert len(synced) == 1


def test_relaxed_never_syncs(data: Path, synced: list[str]) -> None:
    """A store without durability never calls fsync."""
    relaxed = local_store(data, durable=False)
    name = new_name()
    relaxed.put(name, b"x")
    relaxed.create(new_name()).commit()
    relaxed.make_durable([name])
    assert synced == []


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.EIO, StoreError), (errno.ENOSPC, StoreFull)]
)
def test_failed_sync_of_a_small_file(
    local: TimedStore,
    failing_fsync: Callable[[int, str], list[str]],
    number: int,
    expected: type[StoreError],
) -> None:
    """If the fsync of a small file fails, the store raises the matching error
    and removes the file.
    """
    failed = failing_fsync(number, "tenants/demo/")
    local.make_durable([])
    with pytest.raises(expected) as caught:
        local.put(new_name(), b"x")
    assert type(caught.value) is expected
    assert list(local.blobs()) == []
    assert len(failed) == len(set(failed)) == 1
    assert local.check() is not None


@pytest.mark.parametrize("early", [True, False])
def test_failed_sync_of_a_staged_file(
    local: TimedStore, failing_fsync: Callable[[int, str], list[str]], *, early: bool
) -> None:
    """If the fsync of a staged file fails, an early `sync` or the commit raises a store error.

    The fsync is not retried.
    """
    failed = failing_fsync(errno.EIO, "staging/")
    writer = local.create(new_name())
    writer.write(b"x")
    with pytest.raises(StoreError):
        (writer.sync if early else writer.commit)()
    with pytest.raises(StoreError):
        writer.commit()
    writer.abort()
    assert len(failed) == 1
    assert list(local.blobs()) == []
    assert list(local.leftovers()) == []
    assert local.check() is not None


def test_failed_sync_of_a_folder(
    local: TimedStore, failing_fsync: Callable[[int, str], list[str]]
) -> None:
    """If the fsync of a folder fails, `make_durable` raises an error and the
    check reports an error.
    """
    name = new_name()
    local.put(name, b"x")
    failing_fsync(errno.EIO, "tenants")
    with pytest.raises(StoreError):
        local.make_durable([name])
    assert local.check() is not None


def test_check_names_no_path(data: Path) -> None:
    """The check of a store without its folders reports an error that shows no path."""
    trouble = LocalStore(data).check()
    assert trouble is not None
    assert str(data) not in trouble


def test_leftovers_are_removed_by_name(local: TimedStore, data: Path) -> None:
    """`remove_leftover` removes no file outside of the staging folder, even if the
    given name leads there.
    """
    outside = data / "outside"
    outside.write_bytes(b"x")
    staged = data / "staging" / "abandoned"
    staged.write_bytes(b"x")
    local.remove_leftover("../outside")
    assert outside.exists()
    for name, _ in list(local.leftovers()):
        local.remove_leftover(name)
    assert not staged.exists()


def test_each_fsync_is_timed(local: TimedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fsync of a file or folder adds one observation of the stage `fsync`."""
    stages: list[str] = []
    monkeypatch.setattr(timings, "_note", lambda entry: stages.append(entry[0][0]))
    name = new_name()
    local.put(name, b"x")
    assert stages == ["fsync"]
    local.make_durable([name])
    assert stages == ["fsync"] * 4


def test_adopting_opens_nothing(
    local: TimedStore, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between adoption and commit the store opens no file, because it uses
    the spool file's descriptor.
    """
    spooled = data / "spooled"
    spooled.write_bytes(b"x")
    name = new_name()
    other = name.blob[:-1] + ("1" if name.blob.endswith("0") else "0")
    local.put(BlobName("demo", other), b"")  # makes the folder
    with SpoolFile.open(str(spooled)) as spool:
        monkeypatch.setattr(os, "open", None)
        local.adopt(name, spool).commit()


def test_adopting_what_another_has_replaced(local: TimedStore, data: Path) -> None:
    """A file that replaced the open spool file is not stored, and the open file is unchanged."""
    spooled, other = data / "spooled", data / "other"
    spooled.write_bytes(b"mine")
    other.write_bytes(b"not mine")
    with SpoolFile.open(str(spooled)) as spool:
        other.rename(spooled)
        with pytest.raises(StoreBusy):
            local.adopt(new_name(), spool)
        assert spool.read_at(0, 100) == b"mine"
    assert list(local.blobs()) == []
    assert list(local.leftovers()) == []
    assert spooled.read_bytes() == b"not mine"
