"""Tests of slices whose partial upload was lost: no slice is acknowledged that cannot be used."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.servers.slices import Sliced, assert_one_file, document, file_of, in_folder, refused
from tests.servers.upload import UploadService
from wharf_upload.database.upload_contract import UploadRecords
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.maintenance import upload_sweeper


def growing(upload: UploadService) -> str:
    """Return the path of the one partial upload."""
    (name,) = [name for name in in_folder(upload) if "-" not in name]
    return str(upload.settings.resumable_folder / name)


@pytest.mark.parametrize("came", [(0,), (0, 2), (1,)])
def test_a_lost_file(upload: UploadService, came: tuple[int, ...]) -> None:
    """After the partial upload was lost, later slices are refused until all are sent again."""
    sliced = Sliced(upload)
    for index in came:
        assert sliced.send(index).status_code == 202
    os.unlink(growing(upload))
    for _ in range(2):
        late = sliced.send(2)
        assert refused(late) == (409, "slices-refused")
        assert "were lost" in document(late)["detail"]
    assert upload.records.usage("demo").files == 0
    file_of(sliced.send_all())
    assert upload.content("photo.bin") == sliced.content
    assert upload.records.usage("demo").files == 1


def test_a_lost_file_begins_anew(upload: UploadService) -> None:
    """The first slice starts the file again if the partial upload was lost."""
    sliced = Sliced(upload)
    sliced.send(0)
    os.unlink(growing(upload))
    file_of(sliced.send_all())
    assert upload.content("photo.bin") == sliced.content


class _Hooked:
    """Records of uploads that call the test immediately after the removal of an upload."""

    def __init__(self, uploads: UploadRecords, after: Any) -> None:
        self._uploads, self._after = uploads, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._uploads, name)

    def remove(self, upload: Upload) -> bool:
        """Remove the upload, then call the test."""
        removed = self._uploads.remove(upload)
        self._after()
        return removed


def test_a_slice_while_its_file_expires(upload: UploadService) -> None:
    """A file that starts again while the sweeper ends the expired one loses nothing."""
    sliced = Sliced(upload)
    sliced.send(0)
    os.utime(growing(upload), (0, 0))
    with upload.database.transaction() as connection:
        connection.execute("UPDATE uploads SET expires_at = 1")
    answers: list[int] = []

    def slice_comes() -> None:
        answers.append(sliced.send(0).status_code)

    hooked: Any = _Hooked(upload.context.uploads, slice_comes)
    upload_sweeper.sweep(
        hooked, upload.context.parts, expiry_seconds=1000, clock=upload.context.clock
    )
    assert answers == [202]
    assert sliced.send(1).status_code == 202
    file_of(sliced.send(2))
    assert_one_file(sliced)
