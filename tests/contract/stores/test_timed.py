"""The additions of `TimedStore` to each store: errors of the contract, and the
time of each wait.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from servicekit.ids import uuid7_hex
from tests.servers.blob_process import RunningBlobServer, socket_store
from tests.servers.socket_store import SocketStore
from wharf_upload import timings
from wharf_upload.storage.base import (
    BlobMissing,
    BlobName,
    StoreBusy,
    StoreDriver,
    StoreError,
    StoreFull,
)
from wharf_upload.storage.errors import as_store_error
from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.storage.timed import TimedStore

_KINDS = [("full", StoreFull), ("busy", StoreBusy), ("broken", StoreError), ("cut", StoreError)]


def new_name() -> BlobName:
    return BlobName("demo", uuid7_hex())


@pytest.fixture
def store(socket_server: RunningBlobServer) -> TimedStore:
    return socket_store(socket_server)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EMFILE, StoreBusy),
        (errno.ENOMEM, StoreBusy),
        (errno.EIO, StoreError),
        (errno.ECONNRESET, StoreError),
    ],
)
def test_kinds(number: int, kind: type[StoreError]) -> None:
    """Each operating system error has its store error, and the message shows no path."""
    error = as_store_error(OSError(number, "anything", "/secret/path"))
    assert type(error) is kind
    assert "secret" not in str(error)


def _operations(store: TimedStore, spool: SpoolFile) -> dict[str, Callable[[], object]]:
    def write() -> None:
        writer = store.create(new_name())
        try:
            writer.write(b"x")
        finally:
            writer.abort()

    def copy() -> None:
        writer = store.create(new_name())
        try:
            writer.copy_range(spool, 0, 3)
        finally:
            writer.abort()

    def adopt_and(step: str) -> None:
        content = store.adopt(new_name(), spool)
        try:
            getattr(content, step)()
        finally:
            content.abort()

    return {
        "begin": lambda: store.create(new_name()),
        "append": write,
        "append ": copy,
        "append  ": lambda: adopt_and("sync"),
        "commit": lambda: adopt_and("commit"),
        "put": lambda: store.put(new_name(), b"x"),
        "make_durable": lambda: store.make_durable([new_name()]),
        "open": lambda: store.open(new_name()),
        "delete": lambda: store.delete(new_name()),
        "blobs": lambda: list(store.blobs()),
        "leftovers": lambda: list(store.leftovers()),
        "abort": lambda: store.remove_leftover("1"),
        "room": store.room,
    }


@pytest.mark.parametrize(("fault", "kind"), _KINDS)
def test_every_method_translates(
    store: TimedStore,
    socket_server: RunningBlobServer,
    spool: SpoolFile,
    fault: str,
    kind: type[StoreError],
) -> None:
    """Every method raises the store error that matches the fault, and never an `OSError`."""
    for operation, perform in _operations(store, spool).items():
        socket_server.fail(operation.strip(), fault)
        with pytest.raises(StoreError) as caught:
            perform()
        assert type(caught.value) is kind, operation


def test_a_reader_that_is_cut(store: TimedStore, socket_server: RunningBlobServer) -> None:
    """If the content of a blob arrives incompletely, reading it raises `StoreError`."""
    name = new_name()
    store.put(name, b"x" * 100_000)
    socket_server.fail("open", "short")
    with store.open(name) as stream, pytest.raises(StoreError):
        stream.read()


@pytest.mark.parametrize("fault", ["broken", "cut"])
def test_check_of_a_store_that_fails(
    store: TimedStore, socket_server: RunningBlobServer, fault: str
) -> None:
    """A store that cannot be reached fails its check without raising."""
    socket_server.fail("check", fault)
    assert store.check() is not None
    assert store.check() is None


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    """A store without a server raises `StoreBusy` and fails its check."""
    store = TimedStore(SocketStore(str(tmp_path / "nobody")))
    with pytest.raises(StoreBusy):
        store.put(new_name(), b"x")
    assert store.check() is not None


def test_a_lost_answer(store: TimedStore, socket_server: RunningBlobServer) -> None:
    """A commit whose response is lost raises an error. Its blob may exist until
    the sweeper removes it.
    """
    name = new_name()
    writer = store.create(name)
    writer.write(b"x")
    socket_server.fail("commit", "lost")
    with pytest.raises(StoreError):
        writer.commit()
    writer.abort()
    assert [found.name for found in store.blobs()] == [name]


@pytest.mark.parametrize("adopted", [False, True])
def test_wrong_digest(store: TimedStore, spool: SpoolFile, *, adopted: bool) -> None:
    """A store that compares digests refuses content that has another digest."""
    content = store.adopt(new_name(), spool) if adopted else store.create(new_name())
    with pytest.raises(StoreError):
        content.commit(b"\0" * 32)
    content.abort()
    with pytest.raises(StoreError):
        store.put(new_name(), b"x", b"\0" * 32)
    assert list(store.blobs()) == []
    assert list(store.leftovers()) == []


def test_an_abort_that_is_not_heard(store: TimedStore, socket_server: RunningBlobServer) -> None:
    """An abort raises nothing when the store fails, and the remaining leftover can be removed."""
    writer = store.create(new_name())
    writer.write(b"x")
    socket_server.fail("abort", "cut")
    writer.abort()
    ((leftover, _),) = store.leftovers()
    store.remove_leftover(leftover)
    store.remove_leftover(leftover)
    assert list(store.leftovers()) == []


def test_slow_stores_work_at_once(store: TimedStore, socket_server: RunningBlobServer) -> None:
    """Eight threads wait for a slow store at the same time."""
    socket_server.delay("put", 0.2)
    threads = [
        threading.Thread(target=store.put, args=(new_name(), b"x" * size)) for size in range(8)
    ]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.2 <= time.monotonic() - begun < 1.2
    assert sorted(found.size for found in store.blobs()) == list(range(8))


def test_waits_are_timed(store: TimedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wait for durable bytes adds one observation of the stage `fsync` with its duration."""
    stages: list[tuple[str, float]] = []
    monkeypatch.setattr(timings, "_note", lambda entry: stages.append((entry[0][0], entry[1])))
    store.put(new_name(), b"x")
    writer = store.create(new_name())
    writer.write(b"x")
    writer.commit()
    assert [stage for stage, _ in stages] == ["fsync", "fsync"]
    assert all(0 < seconds < 5 for _, seconds in stages)


def test_other_errors_pass() -> None:
    """An error that is no operating system error is raised unchanged."""

    class Wrong(SocketStore):
        def put(self, name: BlobName, content: bytes, sha256: bytes | None = None) -> None:
            raise ZeroDivisionError

    driver: StoreDriver = Wrong("nowhere")
    with pytest.raises(ZeroDivisionError):
        TimedStore(driver).put(new_name(), b"x")


def test_missing_is_missing(store: TimedStore) -> None:
    """`BlobMissing` is raised unchanged."""
    with pytest.raises(BlobMissing):
        store.open(new_name())
