"""Tests of dropzone's slices, which become one file in any order and with any repetitions."""

from __future__ import annotations

import hashlib
import os

import pytest
from werkzeug.test import TestResponse

from tests.servers.slices import SLICE, Sliced, assert_one_file, file_of, in_folder, refused
from tests.servers.upload import UploadService, form_body
from tests.servers.upload_invariants import live
from wharf_upload.maintenance import upload_sweeper
from wharf_upload.uploads.slices import parking


def test_in_order(upload: UploadService) -> None:
    """Slices in order become one file; each but the last is acknowledged with 202."""
    sliced = Sliced(upload)
    first = sliced.send(0)
    assert first.status_code == 202
    assert first.json
    assert {name: first.json[name] for name in ("index", "count", "size")} == {
        "index": 0,
        "count": 3,
        "size": len(sliced.content),
    }
    assert live(upload) == {}
    assert sliced.send(1).status_code == 202
    last = sliced.send(2)
    assert file_of(last)["filename"] == "photo.bin"
    assert last.headers["Location"] == "/v1/files/default/photo.bin"
    assert_one_file(sliced)


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 0, 2), (2, 0, 1), (0, 2, 1), (1, 2, 0)])
def test_in_any_order(upload: UploadService, order: tuple[int, ...]) -> None:
    """Slices in any order become the same file when the last one arrives."""
    sliced = Sliced(upload)
    *first, last = [sliced.send(index) for index in order]
    assert [reply.status_code for reply in first] == [202, 202]
    assert file_of(last)["size"] == len(sliced.content)
    assert_one_file(sliced)


def test_a_slice_twice(upload: UploadService) -> None:
    """A repeated slice is acknowledged again and changes nothing, whether joined or parked."""
    sliced = Sliced(upload)
    for index in (0, 0, 2, 2):
        assert sliced.send(index).status_code == 202
    first = file_of(sliced.send(1))
    for index in (1, 0, 2):
        again = sliced.send(index)
        assert file_of(again) == first
        assert again.headers["Idempotent-Replayed"] == "true"
    assert_one_file(sliced)


def test_other_bytes_for_a_slice(upload: UploadService) -> None:
    """A repeated slice with other bytes is a conflict, and the first bytes stay."""
    sliced = Sliced(upload)
    sliced.send(0)
    body = form_body([("photo.bin", bytes(SLICE))], sliced.said(0))
    assert refused(upload.post_form(body)) == (409, "inconsistent-slice")
    sliced.send(1)
    file_of(sliced.send(2))
    assert_one_file(sliced)


def test_other_bytes_for_a_slice_that_waits(upload: UploadService) -> None:
    """A parked slice that is sent again with other bytes is a conflict; the first bytes stay."""
    sliced = Sliced(upload)
    assert sliced.send(2).status_code == 202
    body = form_body([("photo.bin", bytes(7))], sliced.said(2))
    assert refused(upload.post_form(body)) == (409, "inconsistent-slice")
    sliced.send(0)
    file_of(sliced.send(1))
    assert_one_file(sliced)


def test_slices_far_ahead(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limited number of slices may wait for a missing slice; further slices get 423."""
    monkeypatch.setattr(parking, "MOST_AHEAD", 1)
    sliced = Sliced(upload)
    late = sliced.send(2)
    assert (refused(late), late.headers["Retry-After"]) == ((423, "upload-busy"), "1")
    assert sliced.send(1).status_code == 202
    assert sliced.send(0).status_code == 202
    file_of(sliced.send(2))
    assert_one_file(sliced)


@pytest.mark.parametrize(
    "changed",
    [
        {"dztotalfilesize": str(2 * SLICE + 8)},
        {"dzchunksize": str(SLICE + 1), "dzchunkbyteoffset": str(SLICE + 1)},
        {"prefix": "elsewhere"},
        {"on_conflict": "replace"},
    ],
)
def test_slices_that_do_not_fit(upload: UploadService, changed: dict[str, str]) -> None:
    """A slice whose fields differ from those of earlier slices is a conflict, without effect."""
    sliced = Sliced(upload)
    sliced.send(0)
    assert refused(sliced.send(1, **changed)) == (409, "inconsistent-slice")
    sliced.send(1)
    file_of(sliced.send(2))
    assert_one_file(sliced)


def test_two_files_in_a_form(upload: UploadService) -> None:
    """A form with a slice and another file is refused as a whole."""
    sliced = Sliced(upload)
    files = [("photo.bin", sliced.bytes_of(0)), ("other.bin", sliced.bytes_of(0))]
    assert refused(upload.post_form(form_body(files, sliced.said(0)))) == (422, "unprocessable")
    assert live(upload) == {}
    assert in_folder(upload) == []


def test_fields_behind_the_file(upload: UploadService) -> None:
    """Fields after the slice have the same effect as fields before it."""
    sliced = Sliced(upload, fields={"prefix": "in"})

    def send(index: int) -> TestResponse:
        file = form_body([("photo.bin", sliced.bytes_of(index))])
        closing = file.rindex(b"\r\n--")
        after = form_body([], sliced.said(index))
        return upload.post_form(file[: closing + 2] + after)

    assert [send(index).status_code for index in (0, 1)] == [202, 202]
    assert file_of(send(2))["key"] == "in/photo.bin"
    assert_one_file(sliced, "in/photo.bin")


def test_choices_of_the_form(upload: UploadService) -> None:
    """`prefix` and `on_conflict` apply as in any form; by default no file is replaced."""
    upload.put("in/photo.bin", b"old")
    sliced = Sliced(upload, fields={"prefix": "in"})
    assert file_of(sliced.send_all())["key"] == "in/photo (2).bin"
    assert upload.content("in/photo.bin") == b"old"


def test_a_form_of_one_slice(upload: UploadService) -> None:
    """A small file in one slice is stored directly, as in an ordinary form."""
    sliced = Sliced(upload, content=b"small")
    assert file_of(sliced.send(0))["size"] == 5
    assert_one_file(sliced)


@pytest.mark.parametrize("index", [0, 1])
def test_a_process_that_ends(upload: UploadService, index: int) -> None:
    """An acknowledged slice survives the end of the process; a partly written slice is dropped."""
    sliced = Sliced(upload)
    assert sliced.send(index).status_code == 202
    (growing,) = [name for name in in_folder(upload) if "-" not in name]
    with open(upload.settings.resumable_folder / growing, "ab") as part:
        part.write(b"half a slice")
    sliced.upload = upload.restarted()
    assert sliced.send(1 - index).status_code == 202
    file_of(sliced.send(2))
    assert_one_file(sliced)


def test_a_parked_slice_that_lost_bytes(upload: UploadService) -> None:
    """A parked slice that lost bytes is not joined until it is sent again."""
    sliced = Sliced(upload)
    sliced.send(1)
    (parked,) = [name for name in in_folder(upload) if "-" in name]
    os.truncate(upload.settings.resumable_folder / parked, 10)
    assert sliced.send(0).status_code == 202
    assert sliced.send(2).status_code == 202
    file_of(sliced.send(1))
    assert_one_file(sliced)


def swept(upload: UploadService, seconds: float) -> dict[str, int]:
    """Return what the sweeper removes of uploads after this many seconds."""
    context = upload.context
    later = context.clock() + seconds
    return upload_sweeper.sweep(
        context.uploads, context.parts, expiry_seconds=1000, clock=lambda: later
    ).counts()


def test_leftovers_expire(upload: UploadService) -> None:
    """An unfinished file expires with its parked slices and its reservation."""
    sliced = Sliced(upload)
    for index in (0, 2):
        sliced.send(index)
    assert len(in_folder(upload)) == 2
    assert swept(upload, 900) == {"expired_uploads": 0, "rowless_parts": 0}
    assert len(in_folder(upload)) == 2
    assert swept(upload, 100_000) == {"expired_uploads": 1, "rowless_parts": 2}
    assert in_folder(upload) == []
    assert upload.records.usage("demo").bytes == 0


def test_an_expired_file_begins_anew(upload: UploadService) -> None:
    """A slice that arrives after its file has expired starts a new file without the earlier
    slices.
    """
    sliced = Sliced(upload)
    for index in (0, 2):
        sliced.send(index)
    (growing,) = [name for name in in_folder(upload) if "-" not in name]
    os.utime(upload.settings.resumable_folder / growing, (0, 0))
    with upload.database.transaction() as connection:
        connection.execute("UPDATE uploads SET expires_at = 1")
    assert sliced.send(1).status_code == 202
    assert sliced.send(2).status_code == 202
    file_of(sliced.send(0))
    assert live(upload) == {"photo.bin": hashlib.sha256(sliced.content).hexdigest()}


class Syncs:
    """A record of what was synced, by inode."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inodes: list[int] = []
        real = os.fsync

        def fsync(descriptor: int) -> None:
            self.inodes.append(os.fstat(descriptor).st_ino)
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)


def test_a_process_that_ended_before_its_sync(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repeated slice is synced before its response, even if its bytes were already written."""
    upload = upload.restarted(durability="full")
    sliced = Sliced(upload)
    assert sliced.send(0).status_code == 202
    (growing,) = in_folder(upload)
    path = upload.settings.resumable_folder / growing
    with open(path, "ab") as part:
        part.write(sliced.bytes_of(1))
    syncs = Syncs(monkeypatch)
    assert sliced.send(1).status_code == 202
    assert path.stat().st_ino in syncs.inodes
    file_of(sliced.send(2))
    assert_one_file(sliced)


def test_a_name_is_durable_before_its_upload(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of the partial upload is synced before the upload's row is written."""
    upload = upload.restarted(durability="full")
    syncs = Syncs(monkeypatch)
    rows = upload.context.uploads
    real = type(rows).create

    def create(self: object, begun: object) -> None:
        assert upload.settings.resumable_folder.stat().st_ino in syncs.inodes
        real(self, begun)  # type: ignore[arg-type]

    monkeypatch.setattr(type(rows), "create", create)
    sliced = Sliced(upload)
    assert sliced.send(1).status_code == 202
