"""The reception of a file: stores the gateway's bytes as a visible file, always in one order.

First the bytes are durable, then the name, then the row; then the client gets the response
(`docs/reliability.md`). After an error this module removes the content. After a crash the sweeper
finds the content, because no row points to it.
"""

from __future__ import annotations

import hashlib
import time
from typing import Protocol

from servicekit.ids import uuid7_hex
from servicekit.tokens import Principal
from wharf_upload import timings
from wharf_upload.domain.file_writes import Stored
from wharf_upload.domain.files import File
from wharf_upload.domain.upload_intent import UploadIntent, check_size
from wharf_upload.storage.base import BlobName, BlobStore
from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.uploads import new_file
from wharf_upload.uploads.commit import FileCommit
from wharf_upload.uploads.content_digest import ContentDigests, verify_bytes


class CommitQueue(Protocol):
    """A queue that lets concurrent uploads share a commit; see `database.contract`."""

    def announce(self) -> None:
        """Announce that this thread will write within milliseconds."""

    def withdraw(self) -> None:
        """Withdraw the announcement: this thread has written, or will not write."""


class FileReceiver:
    """Stores one file: a small one from memory, a large one from the gateway's spool."""

    def __init__(
        self, store: BlobStore, commit: FileCommit, queue: CommitQueue, digests: ContentDigests
    ) -> None:
        self._store, self._commit, self._queue, self._digests = store, commit, queue, digests

    def receive_bytes(self, intent: UploadIntent, content: bytes) -> Stored:
        """Store a small file that is in memory.

        Raises `TooLarge`, `DigestMismatch`, `TypeNotAllowed`, `StoreError` and the errors of the
        commit.
        """
        self._queue.announce()
        try:
            return self._receive_bytes(intent, content)
        finally:
            self._queue.withdraw()

    def _receive_bytes(self, intent: UploadIntent, content: bytes) -> Stored:
        begun = time.perf_counter()
        check_size(len(content), intent.largest)
        sha256 = hashlib.sha256(content).digest()
        timings.ended(timings.HASH, begun)
        if intent.digests:
            verify_bytes(content, sha256, intent.digests)
        file = new_file.of_bytes(intent, content, sha256)
        self._store.put(BlobName(file.tenant, file.blob), content, sha256)
        timings.ended(timings.RECEIVE, begun)
        return self._commit.keep(intent, (file,))

    def receive_spooled(self, caller: Principal, intent: UploadIntent, spool_path: str) -> Stored:
        """Store a file from the gateway's spool; a store on the same disk does not copy the file.

        Raises the errors of `receive_bytes`, and the refusal if the caller has lost its permission
        since the admission.
        """
        begun = time.perf_counter()
        with SpoolFile.open(spool_path) as spool:
            file = self._stored(intent, spool)
        timings.ended(timings.RECEIVE, begun)
        return self._commit.keep(self._commit.judged_again(caller, intent, (file,)), (file,))

    def _stored(self, intent: UploadIntent, spool: SpoolFile) -> File:
        blob = BlobName(intent.tenant, uuid7_hex())
        # This must be the first step: the gateway removes the spool file when the client
        # disconnects.
        pending = self._store.adopt(blob, spool)
        try:
            check_size(spool.size, intent.largest)
            look = new_file.look_at(intent, spool, 0, spool.size)
            sha256 = self._digests.sha256_of(spool, intent.digests, sync=pending.sync)
            pending.commit(sha256)
        except BaseException:
            pending.abort()
            raise
        return new_file.describe(intent, sha256, spool.size, look, blob.blob)
