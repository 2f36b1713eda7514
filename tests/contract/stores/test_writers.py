"""Contract of each store for content that is being written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servicekit.ids import uuid7_hex
from wharf_upload.storage.base import (
    BlobMissing,
    BlobName,
    BlobStore,
    StoreBusy,
    StoreError,
)
from wharf_upload.storage.spool_file import SpoolFile


def new_name() -> BlobName:
    return BlobName("demo", uuid7_hex())


def content(store: BlobStore, name: BlobName) -> bytes:
    with store.open(name) as stream:
        return stream.read()


def test_invisible_before_commit(store: BlobStore) -> None:
    """Written content is invisible before `commit` and visible afterwards."""
    name = new_name()
    writer = store.create(name)
    writer.write(b"content")
    writer.sync()
    with pytest.raises(BlobMissing):
        store.open(name)
    assert list(store.blobs()) == []
    writer.commit()
    assert content(store, name) == b"content"
    assert list(store.leftovers()) == []


def test_abort(store: BlobStore) -> None:
    """Aborted content leaves neither a blob nor a leftover."""
    name = new_name()
    writer = store.create(name)
    writer.write(b"content")
    writer.abort()
    with pytest.raises(BlobMissing):
        store.open(name)
    assert list(store.blobs()) == []
    assert list(store.leftovers()) == []


def test_abort_after_commit(store: BlobStore) -> None:
    """`abort` after `commit`, and a second `abort`, do nothing."""
    name = new_name()
    writer = store.create(name)
    writer.write(b"content")
    writer.commit()
    writer.abort()
    writer.abort()
    assert content(store, name) == b"content"


def test_size(store: BlobStore) -> None:
    """The size of a writer is the number of written bytes, for each kind of buffer."""
    writer = store.create(new_name())
    sizes = [writer.size()]
    for data in (b"one", memoryview(b"four"), b""):
        writer.write(data)
        sizes.append(writer.size())
    writer.abort()
    assert sizes == [0, 3, 7, 7]


def test_commit_with_its_digest(store: BlobStore, spool: SpoolFile) -> None:
    """A commit with the right digest makes the blob visible, written or adopted."""
    written, adopted = new_name(), new_name()
    writer = store.create(written)
    writer.write(b"content")
    writer.commit(hashlib.sha256(b"content").digest())
    store.adopt(adopted, spool).commit(hashlib.sha256(b"spooled body").digest())
    assert content(store, written) == b"content"
    assert content(store, adopted) == b"spooled body"


def test_write_after_sync(store: BlobStore) -> None:
    """Bytes that are written after an early `sync` are in the blob."""
    name = new_name()
    writer = store.create(name)
    writer.write(b"early")
    writer.sync()
    writer.write(b" late")
    writer.commit()
    assert content(store, name) == b"early late"


def test_adopt(store: BlobStore, spool_file: Path, spool: SpoolFile) -> None:
    """A body that a store has adopted is stored completely, even if the spool file is removed
    before the commit.
    """
    name = new_name()
    writer = store.adopt(name, spool)
    spool_file.unlink()
    assert writer.size() == len(b"spooled body")
    writer.sync()
    writer.commit()
    assert content(store, name) == b"spooled body"


@pytest.mark.parametrize("synced", [True, False])
def test_abort_of_adopted(
    store: BlobStore, spool_file: Path, spool: SpoolFile, *, synced: bool
) -> None:
    """Aborting an adopted body keeps the spool file and leaves nothing in the store."""
    writer = store.adopt(new_name(), spool)
    if synced:
        writer.sync()
    writer.abort()
    assert list(store.blobs()) == []
    assert spool_file.read_bytes() == b"spooled body"
    assert list(store.leftovers()) == []


def test_adopt_of_a_file_that_went(store: BlobStore, spool_file: Path, spool: SpoolFile) -> None:
    """A spool file that was removed is stored completely or raises `StoreError`."""
    spool_file.unlink()
    name = new_name()
    try:
        store.adopt(name, spool).commit()
    except StoreError:
        assert list(store.blobs()) == []
    else:
        assert content(store, name) == b"spooled body"
    assert list(store.leftovers()) == []


def test_adopt_of_a_file_that_was_replaced(
    store: BlobStore, spool_file: Path, spool: SpoolFile
) -> None:
    """Another file at the path of the open spool file is never stored."""
    spool_file.unlink()
    spool_file.write_bytes(b"another body")
    name = new_name()
    try:
        store.adopt(name, spool).commit()
    except StoreBusy:
        assert list(store.blobs()) == []
    else:
        assert content(store, name) == b"spooled body"
    assert list(store.leftovers()) == []


def test_copy_from_a_short_file(store: BlobStore, spool: SpoolFile) -> None:
    """A range beyond the end of the source raises `StoreError`."""
    writer = store.create(new_name())
    with pytest.raises(StoreError):
        writer.copy_range(spool, 5, 1000)
    writer.abort()


_PIECES = st.lists(
    st.one_of(st.binary(max_size=300), st.tuples(st.integers(0, 5000), st.integers(0, 3000))),
    max_size=12,
)


@given(pieces=_PIECES)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_writes_and_copies(
    store: BlobStore, tmp_path: Path, pieces: list[bytes | tuple[int, int]]
) -> None:
    """Any sequence of writes and copied ranges is stored in order, byte for byte."""
    source_bytes = bytes(range(256)) * 40
    source = tmp_path / "source"
    source.write_bytes(source_bytes)
    name, expected = new_name(), b""
    writer = store.create(name)
    with SpoolFile.open(str(source)) as spool:
        for piece in pieces:
            if isinstance(piece, bytes):
                writer.write(piece)
                expected += piece
            else:
                offset, length = piece
                writer.copy_range(spool, offset, length)
                expected += source_bytes[offset : offset + length]
            assert writer.size() == len(expected)
    writer.commit()
    assert content(store, name) == expected
