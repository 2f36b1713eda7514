"""The completion of an upload: turns an upload with all its bytes into a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from servicekit.ids import uuid7_hex
from servicekit.tokens import Principal
from wharf_upload import timings
from wharf_upload.access import reach, tickets
from wharf_upload.domain.file_writes import UploadEnd
from wharf_upload.domain.files import File
from wharf_upload.domain.long_work import LongWorkRule
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.domain.upload_intent import UploadIntent, check_name, check_size
from wharf_upload.storage.base import BlobName, BlobStore
from wharf_upload.storage.partial_uploads import PartialUpload
from wharf_upload.uploads import new_file
from wharf_upload.uploads.commit import FileCommit
from wharf_upload.uploads.content_digest import ContentDigests
from wharf_upload.uploads.resumable.held import HeldUploads
from wharf_upload.uploads.resumable.terminate import UploadTerminator
from wharf_upload.uploads.resumable.values import Progress
from wharf_upload.uploads.rules import UploadRules


class UploadCompleter:
    """Makes files of uploads: finds type and digest, stores the bytes durably, commits the row."""

    def __init__(
        self,
        held: HeldUploads,
        rules: UploadRules,
        store: BlobStore,
        commit: FileCommit,
        digests: ContentDigests,
        terminator: UploadTerminator,
        long_work: LongWorkRule,
    ) -> None:
        self._held, self._rules, self._store = held, rules, store
        self._commit, self._digests, self._terminator = commit, digests, terminator
        self.takes_long = long_work.takes_long

    def complete(self, principal: Principal, upload: Upload, part: PartialUpload) -> Progress:
        """Make a file of an upload.

        If the policy or the quota refuses the file, the upload is deleted permanently. If the
        caller has lost its permission since the upload began, the upload stays: the permission may
        be restored.
        """
        with self._given_up_if_refused(upload):
            intent = self._intent(principal, upload)
            begun = time.perf_counter()
            file = self._stored(intent, upload, part)
        intent = self._commit.judged_again(principal, intent, (file,))
        with self._given_up_if_refused(upload):
            end = UploadEnd(id=upload.id, parts=upload.parts, expires_at=self._held.expires_at())
            timings.ended(timings.RECEIVE, begun)
            stored = self._commit.keep(intent, (file,), end)
        self._held.partials.discard(upload.id)
        (file,) = stored.files
        upload = msgspec.structs.replace(upload, file=file)
        return Progress(upload, file.size, file, replayed=stored.replayed)

    @contextmanager
    def _given_up_if_refused(self, upload: Upload) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._terminator.give_up_after(error, upload)
            raise

    def _intent(self, principal: Principal, upload: Upload) -> UploadIntent:
        on_conflict = upload.options.on_conflict
        if on_conflict == "replace" and not tickets.may_replace(principal.ticket):
            # the upload began with a token that had more permissions than this one
            on_conflict = "error"
        policy, largest = self._rules.of_allowed(principal, upload.bucket, upload.key)
        return UploadIntent(
            tenant=upload.tenant,
            subject=upload.subject,
            bucket=upload.bucket,
            key=upload.key,
            policy=policy,
            largest=largest,
            within=reach.within(principal, upload.bucket),
            declared_type=upload.options.declared_type,
            digests=upload.options.digests,
            condition=upload.options.condition,
            on_conflict=on_conflict,
            metadata=upload.options.metadata,
            idempotency=upload.options.idempotency,
            ticket=principal.ticket,
            use=tickets.use_of(principal),
        )

    def _stored(self, intent: UploadIntent, upload: Upload, part: PartialUpload) -> File:
        spool = part.spool_file()
        check_name(intent.filename, intent.policy)
        check_size(spool.size, intent.largest)
        look = new_file.look_at(intent, spool, 0, spool.size)
        # Each try uses a new name: the sweeper may be removing the blob that a crashed try has
        # left.
        blob = BlobName(upload.tenant, uuid7_hex())
        pending = self._store.adopt(blob, spool)
        try:
            sha256 = self._digests.sha256_of(spool, intent.digests, sync=pending.sync)
            part.require_current()
            pending.commit(sha256)
        except BaseException:
            pending.abort()
            raise
        return new_file.describe(intent, sha256, spool.size, look, blob.blob)
