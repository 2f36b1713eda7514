"""The end of a resumable upload, inside the transaction that makes its file visible."""

from __future__ import annotations

from collections import Counter

import msgspec

from servicekit.database import Connection
from wharf_upload.domain.file_writes import UploadEnd
from wharf_upload.domain.files import File
from wharf_upload.domain.refusals import UploadGone

_NOTHING: Counter[str] = Counter()


def reserved(connection: Connection, tenant: str, upload: UploadEnd | None) -> Counter[str]:
    """Return the `bytes` and `files` that the upload and its parts have reserved.

    Without an upload, return no amounts. Raises `UploadGone`.
    """
    if upload is None:
        return _NOTHING
    own = connection.row(
        "SELECT reserved_bytes FROM uploads WHERE tenant = ? AND id = ? AND file IS NULL",
        (tenant, upload.id),
    )
    if own is None:
        # While the last request of this upload ran, another request removed or completed the
        # upload, and released its reservation.
        raise UploadGone
    found = Counter(bytes=own[0], files=1)
    for part in upload.parts:
        row = connection.row(
            "SELECT reserved_bytes FROM uploads WHERE tenant = ? AND id = ?", (tenant, part)
        )
        if row is not None:
            found.update(bytes=row[0], files=1)
    return found


def note(connection: Connection, tenant: str, upload: UploadEnd, file: File) -> None:
    """Store the file that the upload became, and delete the upload's parts."""
    connection.execute(
        "UPDATE uploads SET file = ?, length = ?, reserved_bytes = 0, discard_from = NULL, "
        "expires_at = ? WHERE tenant = ? AND id = ?",
        (msgspec.json.encode(file).decode(), file.size, upload.expires_at, tenant, upload.id),
    )
    for part in upload.parts:
        connection.execute("DELETE FROM uploads WHERE tenant = ? AND id = ?", (tenant, part))
