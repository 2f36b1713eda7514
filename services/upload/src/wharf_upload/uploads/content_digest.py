"""The digest of content in a spool file: taken from the digest daemon, or computed here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from servicekit.metric_buffers import MetricBuffer
from wharf_upload import timings
from wharf_upload.domain.digests import DigestMismatch, Hashing
from wharf_upload.hashing.client import FOLLOW_BYTES, DigestClient, patience_seconds
from wharf_upload.storage.spool_file import SpoolFile

_KNOWN, _COMPUTED = ("known",), ("computed",)
results = MetricBuffer()
"""Digests of large bodies: `known` from the digest daemon, or `computed` by the receiver."""


class ContentDigests:
    """Finds and verifies the digests of received files."""

    def __init__(self, client: DigestClient) -> None:
        self._client = client

    def sha256_of(
        self,
        spool: SpoolFile,
        expected: Mapping[str, bytes],
        *,
        sync: Callable[[], None],
    ) -> bytes:
        """Return the SHA-256 of a file after calling `sync`, which makes the file's bytes durable.

        The digest daemon may have hashed the file while it grew under its path. `expected` are
        announced digests by algorithm. Raises `DigestMismatch` and `StoreError`.
        """
        size = spool.size
        pending = self._client.ask(spool.path, spool.inode, size, patience_seconds(size))
        # The disk writes while the daemon hashes the last blocks.
        sync()
        begun = time.perf_counter()
        known = pending.answer()
        if known is not None and "sha-512" not in expected:
            timings.ended(timings.HASH, begun)
            results.note((_KNOWN, 1))
            verify_sha256(known, expected)
            return known
        hashing = Hashing(sha512="sha-512" in expected)
        spool.hash_into(hashing, 0, size)
        timings.ended(timings.HASH, begun)
        if size >= FOLLOW_BYTES:
            results.note((_COMPUTED, 1))
        hashing.verify(expected)
        return hashing.sha256


def verify_bytes(content: bytes, sha256: bytes, expected: Mapping[str, bytes]) -> None:
    """Compare content in memory, and its SHA-256, with the announced digests.

    Raises `DigestMismatch`.
    """
    if "sha-512" in expected:
        hashing = Hashing(sha512=True)
        hashing.update(content)
        hashing.verify(expected)
    else:
        verify_sha256(sha256, expected)


def verify_sha256(sha256: bytes, expected: Mapping[str, bytes]) -> None:
    """Raise `DigestMismatch` when the client announced another SHA-256."""
    if expected.get("sha-256", sha256) != sha256:
        raise DigestMismatch("sha-256", expected["sha-256"], sha256)
