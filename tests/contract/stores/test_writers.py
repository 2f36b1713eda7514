"""What any store promises about content on its way in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servicekit.ids import uuid7_hex
from wharf_upload.stores.base import BlobMissing, BlobName, BlobStore, StoreError


def new_name() -> BlobName:
    return BlobName("demo", uuid7_hex())


def content(store: BlobStore, name: BlobName) -> bytes:
    with store.open(name) as stream:
        return stream.read()


def test_invisible_before_commit(store: BlobStore) -> None:
    """What is written is in no listing and cannot be opened before `commit`, and then it can."""
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
    """What is aborted leaves neither a blob nor a leftover."""
    name = new_name()
    writer = store.create(name)
    writer.write(b"content")
    writer.abort()
    with pytest.raises(BlobMissing):
        store.open(name)
    assert list(store.blobs()) == []
    assert list(store.leftovers()) == []


def test_abort_after_commit(store: BlobStore) -> None:
    """`abort` after `commit`, and `abort` twice, do nothing."""
    name = new_name()
    writer = store.create(name)
    writer.write(b"content")
    writer.commit()
    writer.abort()
    writer.abort()
    assert content(store, name) == b"content"


def test_descriptor(store: BlobStore) -> None:
    """The descriptor reads what was written so far, also after more was written."""
    writer = store.create(new_name())
    writer.write(b"one")
    assert os.pread(writer.descriptor(), 100, 0) == b"one"
    writer.write(memoryview(b"two"))
    assert os.pread(writer.descriptor(), 100, 0) == b"onetwo"
    assert writer.size() == 6
    writer.abort()


def test_write_after_sync(store: BlobStore) -> None:
    """Bytes that were written after an early `sync` are in the blob too."""
    name = new_name()
    writer = store.create(name)
    writer.write(b"early")
    writer.sync()
    writer.write(b" late")
    writer.commit()
    assert content(store, name) == b"early late"


def test_adopt(store: BlobStore, spool_file: Path) -> None:
    """An adopted body survives the removal of the spool file, before and after the commit."""
    name = new_name()
    writer = store.adopt(name, str(spool_file))
    spool_file.unlink()
    assert writer.size() == len(b"spooled body")
    assert os.pread(writer.descriptor(), 100, 0) == b"spooled body"
    writer.commit()
    assert content(store, name) == b"spooled body"


def test_abort_of_adopted(store: BlobStore, spool_file: Path) -> None:
    """Aborting an adopted body leaves the spool file to its owner and nothing in the store."""
    writer = store.adopt(new_name(), str(spool_file))
    writer.abort()
    assert spool_file.read_bytes() == b"spooled body"
    assert list(store.leftovers()) == []


def test_adopt_of_a_missing_file(store: BlobStore, tmp_path: Path) -> None:
    """A spool file that is gone is a `StoreError` and leaves nothing."""
    with pytest.raises(StoreError):
        store.adopt(new_name(), str(tmp_path / "gone"))
    assert list(store.leftovers()) == []


def test_copy_from_a_short_file(store: BlobStore, spool_file: Path) -> None:
    """A range that ends behind the source's end is a `StoreError`, not an endless loop."""
    writer = store.create(new_name())
    with spool_file.open("rb") as source, pytest.raises(StoreError):
        writer.copy_from(source.fileno(), 5, 1000)
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
    """Any sequence of writes and copied ranges is stored in its order, byte for byte."""
    source_bytes = bytes(range(256)) * 40
    source = tmp_path / "source"
    source.write_bytes(source_bytes)
    name, expected = new_name(), b""
    writer = store.create(name)
    with source.open("rb") as stream:
        for piece in pieces:
            if isinstance(piece, bytes):
                writer.write(piece)
                expected += piece
            else:
                offset, length = piece
                writer.copy_from(stream.fileno(), offset, length)
                expected += source_bytes[offset : offset + length]
            assert writer.size() == len(expected)
    writer.commit()
    assert content(store, name) == expected
