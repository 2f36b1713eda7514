"""Checksums of the bytes of one request (tus 1.0.0 Checksum, RFC 9530)."""

from __future__ import annotations

import hashlib

from wharf_upload.domain.digests import DigestMismatch
from wharf_upload.problems import CHECKSUM_MISMATCH
from wharf_upload.uploads.resumable.held import expires_field
from wharf_upload.uploads.resumable.values import UploadSession


def mismatch(session: UploadSession) -> Exception | None:
    """Return the error for bytes that do not match the checksums of their request, or `None`."""
    for checksum in session.checksums:
        hashing = hashlib.new(checksum.algorithm, usedforsecurity=False)
        spool = session.part.spool_file()
        spool.hash_into(hashing, session.offset, spool.size - session.offset)
        if hashing.digest() == checksum.digest:
            continue
        if checksum.announced:
            return DigestMismatch(checksum.announced, checksum.digest, hashing.digest())
        return CHECKSUM_MISMATCH(
            "The bytes of this request do not have the checksum that was sent; they were "
            "discarded. Send them again.",
            headers=(expires_field(session.upload),),
            offset=session.offset,
        )
    return None
