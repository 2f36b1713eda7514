"""Partial uploads: a crash at the end of an upload leaves a state that can be continued."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.needs import lacking
from tests.servers.stores import local_store
from wharf_upload.storage.base import BlobMissing, BlobName, BlobStore, StoreBusy, StoreError
from wharf_upload.storage.partial_uploads import PartialUpload, PartialUploadStore
from wharf_upload.storage.spool_file import SpoolFile

_NOBODY = 65534
_COMMIT_TWICE = """
import os
import sys
from pathlib import Path
from wharf_upload.bootstrap import local_store
from wharf_upload.storage.base import BlobName
from wharf_upload.storage.partial_uploads import PartialUploadStore

os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
store = local_store(Path(sys.argv[1]), durable=False)
parts = PartialUploadStore(Path(sys.argv[1]) / "resumable")
upload = "ab" * 16
parts.create(upload)
for blob in ("cd" * 16, "ef" * 16):
    part = parts.open(upload)
    part.truncate(3)
    pending = store.adopt(BlobName("demo", blob), part.spool_file())
    pending.commit()
    part.close()
print(parts.size(upload))
"""


def test_opened_again_after_its_commit() -> None:
    """A partial upload that was committed, but whose file has no row, can be opened again, even by
    a user who is not root.
    """
    if os.geteuid():
        lacking("becoming somebody else needs root")
    with tempfile.TemporaryDirectory(prefix="wharf-parts-") as folder:
        os.chown(folder, _NOBODY, _NOBODY)
        done = subprocess.run(
            [sys.executable, "-c", _COMMIT_TWICE, str(Path(folder) / "data")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_completed_between_opening_and_locking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partial upload that another process completes between opening
    and locking raises `BlobMissing`.
    """
    store = local_store(tmp_path, durable=False)
    parts, upload = PartialUploadStore(tmp_path / "resumable"), "ab" * 16
    parts.create(upload)

    def lock(*_: object) -> None:
        path = tmp_path / "resumable" / upload
        with SpoolFile.open(str(path)) as spool:
            store.adopt(BlobName("demo", upload), spool).commit()
        path.unlink()

    monkeypatch.setattr("wharf_upload.storage.partial_uploads.fcntl.flock", lock)
    with pytest.raises(BlobMissing):
        parts.open(upload)


def test_a_failing_disk(tmp_path: Path) -> None:
    """A file that cannot be removed and a folder that cannot be listed raise `StoreError`."""
    parts, upload = PartialUploadStore(tmp_path / "resumable"), "ab" * 16
    (parts.folder / upload).mkdir()
    with pytest.raises(StoreError):
        parts.remove(upload)
    parts.discard(upload)
    assert [name for name, _ in parts.all()] == [upload]
    (parts.folder / upload).rmdir()
    parts.folder.rmdir()
    parts.folder.write_bytes(b"")
    with pytest.raises(StoreError):
        list(parts.all())


@pytest.fixture
def part(tmp_path: Path) -> Iterator[PartialUpload]:
    """Yield an open partial upload of five bytes."""
    upload = "ab" * 16
    parts = PartialUploadStore(tmp_path / "resumable")
    parts.create(upload)
    opened = parts.open(upload)
    os.write(opened.descriptor, b"bytes")
    yield opened
    opened.close()


def test_any_store_adopts_a_part(store: BlobStore, part: PartialUpload) -> None:
    """Each store adopts a partial upload, which stays locked until it is closed."""
    name = BlobName("demo", "cd" * 16)
    content = store.adopt(name, part.spool_file())
    content.sync()
    part.require_current()
    content.commit()
    with store.open(name) as stream:
        assert stream.read() == b"bytes"
    with pytest.raises(BlockingIOError), open(part.path, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_part_that_was_taken_over(part: PartialUpload, how: str) -> None:
    """A partial upload that another replica has replaced or ended raises `StoreBusy`."""
    path = Path(part.path)
    path.unlink()
    if how == "replaced":
        path.write_bytes(b"bytes")
    with pytest.raises(StoreBusy):
        part.require_current()


def test_begun_for_one_alone(tmp_path: Path) -> None:
    """A new partial upload is locked by its creator from the beginning, and
    cannot be begun twice.
    """
    parts = PartialUploadStore(tmp_path / "resumable")
    upload = "ab" * 16
    begun = parts.begin(upload)
    assert begun.size() == 0
    for other in (parts.begin, parts.open):
        with pytest.raises(StoreBusy):
            other(upload)
    begun.close()
    with pytest.raises(StoreBusy):
        parts.begin(upload)
    assert os.listdir(parts.folder) == [upload]
    part = parts.open(upload)
    part.require_current()
    part.close()
