"""The commit of an upload: stored blobs become visible as files, all of them or none."""

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
    """What the commit asks the database; see `database.contract`."""

    def write(self, write: Write) -> Stored:
        """Make files visible, durably, in one commit."""


class FileCommit:
    """Writes the records of stored blobs; removes the blobs that no record will name."""

    def __init__(
        self,
        store: BlobStore,
        files: FileWrites,
        recheck: Callable[[Principal], Principal],
        count_more: Callable[[str, str, int], None],
        give_back: Callable[[str], None],
    ) -> None:
        """`recheck` gives a principal as it is now; raises a problem when it is revoked.

        `count_more` counts files beside the first one of a request as further requests of a tenant
        and a client (`ratelimits.RateLimits.count_more`): each makes as many rows. `give_back` ends
        what was reserved for a body.
        """
        self._store, self._files, self._recheck = store, files, recheck
        self._count_more, self._give_back = count_more, give_back

    def judged_again(
        self, caller: Principal, intent: UploadIntent, files: tuple[File, ...]
    ) -> UploadIntent:
        """Return the intent as the caller's rights are now: storing large bodies takes minutes.

        Removes the blobs when it raises: `NoSuchBucket`, `OutsideGrants`, or a problem.
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

        `upload` is the resumable upload that becomes the file. Raises `Refused` kinds,
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
            # A row may point to these bytes. If none does, the sweeper finds them.
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

        A blob that stays is swept later; the reason why it is unwanted matters more here. A store
        that cannot be used now is asked once: a form has many files, and each wait is seconds.
        """
        for file in files:
            try:
                self._store.delete(BlobName(file.tenant, file.blob))
            except StoreBusy:
                return
            except StoreError:
                continue


def _require_within(intent: UploadIntent, stored: Stored) -> None:
    """Raise `OutsideGrants` where a repeated request's files are out of the caller's reach by now.

    Their keys may be others than were asked for, and were chosen by an earlier reach.
    """
    for file in stored.files:
        if intent.within is not None and not file.key.startswith(intent.within):
            raise OutsideGrants("write", file.bucket, file.key)


def _with_content(intent: UploadIntent, files: tuple[File, ...]) -> Idempotency | None:
    """The request's fingerprint, its choice and its files' names and bytes included."""
    idempotency = intent.idempotency
    if idempotency is None:
        return None
    whole = hashlib.sha256(f"{idempotency.fingerprint} {intent.on_conflict}".encode())
    for file in files:
        whole.update(f"\n{file.sha256} {file.key}".encode())
    return msgspec.structs.replace(idempotency, fingerprint=whole.hexdigest())
