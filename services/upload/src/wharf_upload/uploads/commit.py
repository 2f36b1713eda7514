"""The commit of an upload: makes stored blobs visible as files, all of them or none."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from servicekit.database import OutcomeUnknown
from servicekit.tokens import Principal
from wharf_upload import timings
from wharf_upload.access import reach
from wharf_upload.domain.file_writes import (
    Idempotency,
    Stored,
    UploadEnd,
    Write,
)
from wharf_upload.domain.files import File
from wharf_upload.domain.refusals import OutsideGrants
from wharf_upload.domain.upload_intent import UploadIntent
from wharf_upload.storage.base import BlobName, BlobStore, StoreBusy, StoreError


class FileWrites(Protocol):
    """The writes that the commit sends to the database; see `database.contract`."""

    def write(self, write: Write) -> Stored:
        """Make files visible and durable in one commit."""


class FileCommit:
    """Writes the records of stored blobs, and removes the blobs that no record names."""

    def __init__(
        self,
        store: BlobStore,
        files: FileWrites,
        recheck: Callable[[Principal], Principal],
        count_more: Callable[[str, str, int], None],
        give_back: Callable[[str], None],
    ) -> None:
        """Create the commit.

        `recheck` returns a principal with its present rights, or raises a problem when it was
        revoked. `count_more` counts the files after the first one of a request as further requests
        of the tenant and the client (`ratelimits.RateLimits.count_more`), because each file makes
        as many rows as a request. `give_back` ends the reservation of a body.
        """
        self._store, self._files, self._recheck = store, files, recheck
        self._count_more, self._give_back = count_more, give_back

    def judged_again(
        self, caller: Principal, intent: UploadIntent, files: tuple[File, ...]
    ) -> UploadIntent:
        """Return the intent with the caller's present rights, which may have changed by now.

        If the caller may no longer upload the files, the method removes the blobs and raises
        `NoSuchBucket`, `OutsideGrants` or a problem.
        """
        try:
            now = self._recheck(caller)
            for file in files:
                reach.require_upload(now, file.bucket, file.key)
        except BaseException:
            self.discard(files)
            raise
        return msgspec.structs.replace(intent, within=reach.within(now, intent.bucket))

    def keep(
        self, intent: UploadIntent, files: tuple[File, ...], upload: UploadEnd | None = None
    ) -> Stored:
        """Make stored blobs visible as files; return them with their final keys.

        `upload` is the resumable upload that becomes the file. Raises subclasses of `Refused`,
        `OutcomeUnknown` and `DatabaseUnavailable`.
        """
        write = Write(
            files=files,
            on_conflict=intent.on_conflict,
            within=intent.within,
            condition=intent.condition,
            idempotency=_with_content(intent, files),
            ticket=intent.use,
            upload=upload,
        )
        begun = time.perf_counter()
        if intent.room:
            self._give_back(intent.room)
        try:
            stored = self._files.write(write)
        except OutcomeUnknown:
            # A row may point to these bytes. If no row does, the sweeper removes them.
            raise
        except BaseException:
            self.discard(files)
            raise
        timings.ended(timings.COMMIT, begun)
        if len(files) > 1:
            self._count_more(intent.tenant, intent.subject, len(files) - 1)
        if stored.replayed:
            self.discard(files)
            _require_within(intent, stored)
        return stored

    def discard(self, files: tuple[File, ...]) -> None:
        """Remove blobs that no row will point to.

        This method raises nothing, because its caller is about to report why the blobs are
        unwanted. The sweeper removes the blobs that stay. The method stops when the store is busy:
        each further call would wait for seconds, and a form has many files.
        """
        for file in files:
            try:
                self._store.delete(BlobName(file.tenant, file.blob))
            except StoreBusy:
                return
            except StoreError:
                continue


def _require_within(intent: UploadIntent, stored: Stored) -> None:
    """Raise `OutsideGrants` if the caller may no longer reach the files of a repeated request.

    The files may have other keys than the ones in the request, chosen under an earlier reach.
    """
    for file in stored.files:
        if intent.within is not None and not file.key.startswith(intent.within):
            raise OutsideGrants("write", file.bucket, file.key)


def _with_content(intent: UploadIntent, files: tuple[File, ...]) -> Idempotency | None:
    """Return the idempotency value with a fingerprint of the request and its files.

    The fingerprint covers the conflict option, and the key and the SHA-256 of each file.
    """
    idempotency = intent.idempotency
    if idempotency is None:
        return None
    whole = hashlib.sha256(f"{idempotency.fingerprint} {intent.on_conflict}".encode())
    for file in files:
        whole.update(f"\n{file.sha256} {file.key}".encode())
    return msgspec.structs.replace(idempotency, fingerprint=whole.hexdigest())
