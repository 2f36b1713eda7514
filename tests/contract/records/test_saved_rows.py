"""The rows of a backup, read from its database file."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from servicekit.database import open_database
from tests.servers.unfinished import end_of, new_upload
from tests.servers.upload import new_file
from wharf_upload.database.contract import SavedBlob
from wharf_upload.database.saved_rows import open_saved_rows
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write


@pytest.mark.parametrize("name", ["plain.db", "a b?mode=x&c#d%20e é.db"])
def test_rows_of_a_backup(upload_template: Path, tmp_path: Path, name: str) -> None:
    """Blobs of all tenants, their total size and unfinished uploads are read, for any file name."""
    path = tmp_path / "upload.db"
    shutil.copy(upload_template, path)
    database = open_database(f"sqlite:///{path}", durable=False)
    records = SqlRecords(database)
    files = [new_file("a", size=5), new_file("b", tenant="other", size=1 << 40)]
    under_way, finished = new_upload(tenant="other"), new_upload()
    for upload in (under_way, finished):
        records.uploads.create(upload)
    for file in files:
        records.write(Write(files=(file,)))
    files.append(new_file("c", size=10))
    records.write(Write(files=(files[-1],), upload=end_of(finished)))
    database.close()
    saved = path.rename(tmp_path / name)
    with open_saved_rows(saved) as rows:
        assert rows.total_bytes() == (1 << 40) + 15
        assert sorted(rows.blobs()) == sorted(
            SavedBlob(tenant=file.tenant, blob=file.blob, size=file.size, sha256=file.sha256)
            for file in files
        )
        assert rows.has_blob("demo", files[0].blob)
        assert not rows.has_blob("other", files[0].blob)
        assert not rows.has_blob("demo", "0" * 32)
        assert list(rows.unfinished()) == [("other", under_way.id)]


def test_of_an_empty_backup(upload_template: Path) -> None:
    """A backup without files has no bytes."""
    with open_saved_rows(upload_template) as rows:
        assert rows.total_bytes() == 0
        assert list(rows.blobs()) == []


def test_a_backup_that_is_not_there(tmp_path: Path) -> None:
    """Opening a missing file raises an error and creates no file."""
    with pytest.raises(sqlite3.OperationalError), open_saved_rows(tmp_path / "none.db"):
        pass
    assert not (tmp_path / "none.db").exists()
