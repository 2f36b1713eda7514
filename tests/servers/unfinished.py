"""Unfinished uploads for tests."""

from __future__ import annotations

from servicekit.ids import uuid7_hex
from tests.servers.upload import UploadService
from wharf_upload.domain.file_writes import UploadEnd
from wharf_upload.domain.resumable_upload import Upload


def new_upload(length: int | None = 10, **changes: object) -> Upload:
    """Return an upload of `demo`."""
    fields: dict[str, object] = {
        "id": uuid7_hex(),
        "tenant": "demo",
        "subject": "client-1",
        "bucket": "default",
        "key": "a.bin",
        "length": length,
        "reserved_bytes": length or 0,
        "created_at": 1,
        "expires_at": 1_000,
        **changes,
    }
    return Upload(**fields)  # type: ignore[arg-type]


def end_of(upload: Upload) -> UploadEnd:
    """Return the record of this upload's end, which a write of the upload's file contains."""
    return UploadEnd(
        id=upload.id,
        parts=upload.parts,
        expires_at=2_000,
    )


def under_way(upload: UploadService, content: bytes, *, discard_from: int | None = None) -> str:
    """Add an unfinished upload with received content and return its id.

    The checksum of the bytes after `discard_from` was not compared yet.
    """
    made = new_upload(100, expires_at=2**50)
    upload.records.uploads.create(made)
    with upload.database.transaction() as connection:
        connection.execute(
            "UPDATE uploads SET discard_from = ? WHERE id = ?", (discard_from, made.id)
        )
    folder = upload.settings.resumable_folder
    folder.mkdir(exist_ok=True)
    (folder / made.id).write_bytes(content)
    return made.id
