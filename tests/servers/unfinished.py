"""Uploads that are not complete, for tests of what happens to them."""

from __future__ import annotations

from servicekit.ids import uuid7_hex
from tests.servers.upload import UploadService
from wharf_upload.domain.resumable_upload import Upload


def under_way(upload: UploadService, content: bytes, *, discard_from: int | None = None) -> str:
    """An unfinished upload of which so much has come; its id.

    Bytes behind `discard_from` are those whose checksum has not been compared yet.
    """
    made = Upload(
        id=uuid7_hex(),
        tenant="demo",
        subject="client-1",
        bucket="default",
        key="a.bin",
        length=100,
        reserved_bytes=100,
        created_at=1,
        expires_at=2**50,
    )
    upload.records.uploads.create(made)
    with upload.database.transaction() as connection:
        connection.execute(
            "UPDATE uploads SET discard_from = ? WHERE id = ?", (discard_from, made.id)
        )
    folder = upload.settings.resumable_folder
    folder.mkdir(exist_ok=True)
    (folder / made.id).write_bytes(content)
    return made.id
