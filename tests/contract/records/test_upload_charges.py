"""Reservations of unfinished uploads: exact to the byte and the file, for every change."""

from __future__ import annotations

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.unfinished import end_of, new_upload
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import UploadEnd, Write
from wharf_upload.domain.quotas import Usage
from wharf_upload.domain.refusals import QuotaExceeded, UploadGone
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.domain.tenant_limits import Limits


def begun(records: SqlRecords, upload: Upload) -> Upload:
    """Create the upload and return it."""
    records.uploads.create(upload)
    return upload


def read(records: SqlRecords, upload: Upload) -> Upload:
    """Return the upload as its row is now."""
    found = records.uploads.get("demo", upload.id)
    assert found is not None
    return found


def test_a_new_upload_needs_its_bytes_and_a_file(records: SqlRecords) -> None:
    """An upload that fits exactly is created, and one more byte or one more file is refused."""
    records.put_limits("demo", Limits(max_bytes=10, max_files=2))
    begun(records, new_upload(9))
    with pytest.raises(QuotaExceeded) as caught:
        begun(records, new_upload(2))
    numbers = caught.value.numbers
    assert (numbers["needed_bytes"], numbers["needed_files"]) == (2, 1)
    begun(records, new_upload(1))
    with pytest.raises(QuotaExceeded):
        begun(records, new_upload(0))
    assert records.usage("demo") == Usage(10, 2)


def test_a_length_needs_no_further_file(records: SqlRecords, database: Database) -> None:
    """A length that is announced later may fill the quota of a tenant that has all its files."""
    records.put_limits("demo", Limits(max_bytes=20, max_files=1))
    upload = begun(records, new_upload(None, reserved_bytes=7))
    with pytest.raises(QuotaExceeded) as caught:
        records.uploads.announce_length(upload, 21)
    numbers = caught.value.numbers
    assert (numbers["needed_bytes"], numbers["needed_files"]) == (14, 0)
    assert read(records, upload) == upload
    changed = records.uploads.announce_length(upload, 20)
    assert changed == msgspec.structs.replace(upload, length=20, reserved_bytes=20)
    assert read(records, upload) == changed
    assert records.usage("demo") == Usage(20, 1)
    assert faults_in_counts(database) == []


def test_reserved_as_bytes_come(records: SqlRecords, database: Database) -> None:
    """A reservation of unknown length can become larger or smaller, but never exceeds the quota."""
    records.put_limits("demo", Limits(max_bytes=20, max_files=1))
    upload = begun(records, new_upload(None, reserved_bytes=7))
    with pytest.raises(QuotaExceeded) as caught:
        records.uploads.reserve(upload, 21)
    numbers = caught.value.numbers
    assert (numbers["needed_bytes"], numbers["needed_files"]) == (14, 0)
    for size in (20, 3):
        # The caller passes the upload as it was at its first request.
        changed = records.uploads.reserve(upload, size)
        assert changed == msgspec.structs.replace(upload, reserved_bytes=size)
        assert read(records, upload) == changed
        assert records.usage("demo") == Usage(size, 1)
    assert faults_in_counts(database) == []


@pytest.mark.parametrize(("length", "reserves"), [(None, 4), (10, 10)])
def test_progress(
    records: SqlRecords, database: Database, length: int | None, reserves: int
) -> None:
    """Received bytes are reserved when the length is unknown. The expiry and the offset from which
    bytes are discarded (`discard_from`) are stored.
    """
    upload = begun(records, new_upload(length))
    records.uploads.progress(upload, expires_at=5_000, discard_from=3, size=4)
    assert read(records, upload) == msgspec.structs.replace(
        upload, expires_at=5_000, discard_from=3, reserved_bytes=reserves
    )
    records.uploads.progress(upload, expires_at=6_000, discard_from=None, size=4)
    assert read(records, upload) == msgspec.structs.replace(
        upload, expires_at=6_000, reserved_bytes=reserves
    )
    assert records.usage("demo") == Usage(reserves, 1)
    assert faults_in_counts(database) == []


def test_renewed(records: SqlRecords) -> None:
    """The expiry of an upload moves to a later time and never to an earlier one."""
    upload = begun(records, new_upload(expires_at=1_000))
    for wanted, end in ((1_001, 1_001), (500, 1_001), (1_001, 1_001), (9_000, 9_000)):
        records.uploads.renew(upload, wanted)
        assert read(records, upload) == msgspec.structs.replace(upload, expires_at=end)


def test_changes_of_what_is_a_file(records: SqlRecords, database: Database) -> None:
    """An upload that became a file reserves nothing and refuses changes. Its
    removal changes no charge.
    """
    upload = begun(records, new_upload(10, discard_from=4))
    file = new_file("a.bin", size=12)
    records.write(Write(files=(file,), upload=end_of(upload)))
    for change in (
        lambda: records.uploads.reserve(upload, 5),
        lambda: records.uploads.announce_length(upload, 5),
        lambda: records.uploads.progress(upload, expires_at=9, discard_from=None, size=5),
        lambda: records.uploads.announce_digests(upload, {}),
        lambda: records.write(Write(files=(new_file("b.bin"),), upload=end_of(upload))),
    ):
        with pytest.raises(UploadGone):
            change()
    assert read(records, upload) == msgspec.structs.replace(
        upload, length=12, reserved_bytes=0, discard_from=None, file=file, expires_at=2_000
    )
    assert records.usage("demo") == Usage(12, 1)
    assert records.uploads.remove(upload)
    assert records.uploads.get("demo", upload.id) is None
    assert records.usage("demo") == Usage(12, 1)
    assert faults_in_counts(database) == []


def test_the_end_uses_what_parts_reserve(records: SqlRecords, database: Database) -> None:
    """Even with a full quota, a joined file may use all bytes that the final upload and
    its parts have reserved.
    """
    records.put_limits("demo", Limits(max_bytes=10, max_files=3))
    parts = [begun(records, new_upload(size, concat="partial")) for size in (4, 6)]
    names = (*(part.id for part in parts), "0" * 32)
    final = begun(records, new_upload(None, concat="final", parts=names))
    assert records.usage("demo") == Usage(10, 3)
    with pytest.raises(QuotaExceeded) as caught:
        records.write(Write(files=(new_file("a.bin", size=11),), upload=end_of(final)))
    assert caught.value.numbers["needed_bytes"] == 1
    assert caught.value.numbers["needed_files"] == -2
    assert records.usage("demo") == Usage(10, 3)
    records.write(Write(files=(new_file("a.bin", size=10),), upload=end_of(final)))
    assert records.usage("demo") == Usage(10, 1)
    found = read(records, final)
    assert (found.parts, found.length, found.reserved_bytes) == (names, 10, 0)
    assert faults_in_counts(database) == []


def test_an_end_that_comes_too_late(records: SqlRecords) -> None:
    """An upload that was removed during its last request becomes no file."""
    upload = begun(records, new_upload(10))
    records.uploads.remove(upload)
    with pytest.raises(UploadGone):
        records.write(Write(files=(new_file("a.bin", size=10),), upload=end_of(upload)))
    assert records.file("demo", "default", "a.bin") is None
    assert records.usage("demo") == Usage(0, 0)


def test_parts_of_a_removed_whole(records: SqlRecords, database: Database) -> None:
    """Removing a final upload removes its list of parts, and the parts stay."""
    part = begun(records, new_upload(4, concat="partial"))
    final = begun(records, new_upload(None, concat="final", parts=(part.id,)))
    assert records.uploads.finals_of("demo", part.id) == [final]
    assert records.uploads.remove(final)
    assert records.uploads.finals_of("demo", part.id) == []
    assert read(records, part) == part
    assert database.reading().rows("SELECT * FROM upload_parts WHERE tenant = 'demo'") == []
    assert records.usage("demo") == Usage(4, 1)


def test_finals_of_a_part(records: SqlRecords) -> None:
    """`finals_of` returns the unfinished final uploads of a part."""
    part = begun(records, new_upload(4, concat="partial"))
    finals = [begun(records, new_upload(None, concat="final", parts=(part.id,))) for _ in range(3)]
    found = records.uploads.finals_of("demo", part.id)
    assert {one.id for one in found} == {one.id for one in finals}
    end = UploadEnd(id=finals[0].id, parts=(), expires_at=2_000)
    records.write(Write(files=(new_file("a.bin", size=4),), upload=end))
    found = records.uploads.finals_of("demo", part.id)
    assert {one.id for one in found} == {one.id for one in finals[1:]}
    assert records.uploads.finals_of("demo", finals[0].id) == []


def test_only_finals_have_parts(records: SqlRecords) -> None:
    """A final upload has its parts only when it is read alone. Lists and other
    uploads have no parts.
    """
    final = begun(records, new_upload(None, concat="final", parts=("b" * 32, "a" * 32)))
    plain = begun(records, new_upload(5, concat="partial"))
    assert read(records, final).parts == ("b" * 32, "a" * 32)
    assert read(records, plain).parts == ()
    listed = records.uploads.under_way("demo", subject=None, after="", limit=9)
    assert listed == [msgspec.structs.replace(final, parts=()), plain]


@pytest.mark.usefixtures("all_tenants")
def test_all_unfinished(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """`unfinished` yields all unfinished uploads of all tenants once, by id,
    for every batch size.
    """
    uploads = [
        begun(records, new_upload(1, tenant=tenant, id=f"{number:032}"))
        for number, tenant in enumerate(("demo", "other", "demo", "third", "demo"))
    ]
    records.write(Write(files=(new_file("a.bin", size=1),), upload=end_of(uploads[2])))
    expected = [(one.tenant, one.id) for one in uploads if one is not uploads[2]]
    for portion in (1, 2, 4, 5):
        monkeypatch.setattr("wharf_upload.database.uploads._ROWS_A_TIME", portion)
        assert list(records.uploads.unfinished()) == expected
