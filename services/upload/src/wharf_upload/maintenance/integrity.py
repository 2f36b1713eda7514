"""The comparison of records and store in both directions, for `wharf-upload check`.

A listing costs one request for a thousand blobs, so the check lists the store once. Files change
during the check. So each blob that seems to be wrong is checked again with a separate request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from wharf_upload.database.contract import Records
from wharf_upload.database.upload_contract import UploadRecords
from wharf_upload.domain.files import File
from wharf_upload.maintenance import side_by_side
from wharf_upload.maintenance.listed_blobs import ListedBlobs
from wharf_upload.maintenance.rowless_blobs import RowlessBlobs
from wharf_upload.maintenance.upload_sweeper import PartialUploads
from wharf_upload.storage.base import BlobMissing, BlobName, BlobStore

_BLOCK_BYTES = 1 << 20


def leftovers(
    store: BlobStore, records: Records, limit: float, listed: ListedBlobs
) -> Iterator[str]:
    """Yield one line for each blob that no record names and that is older than `limit`.

    `limit` is in unix seconds; a younger blob may belong to an upload under way. Afterwards
    `listed` contains all blobs of the store.
    """
    for batch in RowlessBlobs(store, records).look(limit, listed):
        for found in batch:
            # The record and the blob may have been deleted since the listing.
            if _is_there(store, found.name):
                name = found.name
                yield f"{name.tenant}: blob {name.blob}: no record names its {found.size} bytes"


def faults(
    store: BlobStore, records: Records, *, read_all: bool, listed: ListedBlobs | None = None
) -> Iterator[str]:
    """Yield one line for each file with missing bytes, or with bytes that do not match the record.

    With `read_all` every file is read and hashed. Otherwise only presence and size are compared
    with `listed`; without `listed` the function lists the store.
    """
    if read_all:
        suspects = records.live_files()
    else:
        if listed is None:
            listed = ListedBlobs()
            listed.add_all(store.blobs())
        suspects = _not_listed(records, listed)

    def look(file: File) -> tuple[File, str | None]:
        return file, _trouble(store, file, read_all=read_all)

    threads = side_by_side.THREADS if store.lists_by_hour else 1
    for file, trouble in side_by_side.each(look, suspects, threads=threads):
        if trouble and _is_current(records, file):
            yield f"{file.tenant}/{file.bucket}/{file.key}: {trouble}"


def upload_faults(parts: PartialUploads, uploads: UploadRecords) -> Iterator[str]:
    """Yield one line for each incomplete resumable upload without its bytes."""
    for tenant, identifier in uploads.unfinished():
        try:
            parts.size(identifier)
        except BlobMissing:
            # The upload may have ended since its row was read, so the row is read again.
            if uploads.known(identifier):
                yield f"{tenant}: upload {identifier}: its bytes are missing"


def _not_listed(records: Records, listed: ListedBlobs) -> Iterator[File]:
    for file in records.live_files():
        if not listed.has(file.tenant, file.blob, file.size):
            yield file


def _is_there(store: BlobStore, name: BlobName) -> bool:
    try:
        store.open(name).close()
    except BlobMissing:
        return False
    return True


def _is_current(records: Records, file: File) -> bool:
    """Tell whether the record still names this blob; the record was read some time ago."""
    now = records.file(file.tenant, file.bucket, file.key)
    return now is not None and now.blob == file.blob


def _trouble(store: BlobStore, file: File, *, read_all: bool) -> str | None:
    try:
        with store.open(BlobName(file.tenant, file.blob)) as content:
            if not read_all:
                size = content.size()
                return None if size == file.size else f"has {size} bytes instead of {file.size}"
            digest = hashlib.sha256()
            while block := content.read(_BLOCK_BYTES):
                digest.update(block)
            return None if digest.hexdigest() == file.sha256 else "its bytes have changed"
    except BlobMissing:
        return "its bytes are missing"
