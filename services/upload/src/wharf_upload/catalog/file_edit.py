"""A change of a file that leaves its bytes as they are."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from servicekit.problems import UNPROCESSABLE
from wharf_upload.domain import file_metadata, keys
from wharf_upload.domain.files import File

# 9999-12-31T00:00:00Z: RFC 3339 cannot express later times in every time zone.
_END_OF_TIME_SECONDS = 253402214400


class FileEdit(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a file's properties; a property that is unset keeps its value.

    `expires_at` is `None` for no expiry. If `filename` is unset and the key changes, the file name
    becomes the last segment of the key.
    """

    key: str | UnsetType = UNSET
    filename: str | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    expires_at: datetime | UnsetType | None = UNSET

    def applied_to(self, file: File, now_seconds: float) -> File:
        """Return the file after the change.

        Raises `InvalidName` and the problem `unprocessable`.
        """
        new_key = file.key if self.key is UNSET else keys.object_key_text(self.key)
        filename = file.filename
        if self.filename is not UNSET:
            filename = keys.file_name(self.filename)
        elif new_key != file.key:
            filename = new_key.rpartition("/")[2]
        metadata = file.metadata if self.metadata is UNSET else self.metadata
        try:
            file_metadata.check(metadata)
        except file_metadata.MetadataTooLarge as error:
            raise UNPROCESSABLE(str(error)) from None
        expires_at = file.expires_at
        if self.expires_at is None:
            expires_at = None
        elif self.expires_at is not UNSET:
            expires_at = _expiry(self.expires_at, now_seconds)
        return msgspec.structs.replace(
            file, key=new_key, filename=filename, metadata=metadata, expires_at=expires_at
        )


def _expiry(moment: datetime, now_seconds: float) -> int:
    if moment.tzinfo is None:
        raise UNPROCESSABLE("expires_at needs a time zone, e.g. 2030-01-31T12:00:00Z.")
    seconds = moment.timestamp()
    if seconds <= now_seconds:
        raise UNPROCESSABLE("expires_at is in the past; to remove a file, delete it.")
    if seconds >= _END_OF_TIME_SECONDS:
        raise UNPROCESSABLE("expires_at is after the year 9999; for no expiry, send null.")
    return int(seconds * 1000)
