"""Compares records and store: what `wharf-upload check` says about a whole installation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from wharf_upload.database.contract import Records
from wharf_upload.database.upload_contract import UploadRecords
from wharf_upload.domain.files import File
from wharf_upload.maintenance.upload_sweeper import PartialUploads
from wharf_upload.storage.base import BlobMissing, BlobName, BlobStore

_BLOCK_BYTES = 1 << 20


def faults(store: BlobStore, records: Records, *, read_all: bool) -> Iterator[str]:
    """Yield one line for each file whose bytes are missing, or are not those of its record.

    `read_all` reads and hashes every file; otherwise only presence and size are compared.
    """
    for file in records.live_files():
        trouble = _trouble(store, file, read_all=read_all)
        if trouble:
            yield f"{file.tenant}/{file.bucket}/{file.key}: {trouble}"


def upload_faults(parts: PartialUploads, uploads: UploadRecords) -> Iterator[str]:
    """Yield one line for each unfinished resumable upload whose bytes so far are missing."""
    for tenant, identifier in uploads.unfinished():
        try:
            parts.size(identifier)
        except BlobMissing:
            # Looked at again: it may have ended since its row was read.
            if uploads.known(identifier):
                yield f"{tenant}: upload {identifier}: its bytes are missing"


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
