"""The reception of a form: one spool file with several files and plain fields.

The receiver reads the form once. While reading, it hashes the bytes of each file and copies them in
the kernel into a separate blob. Either all files become visible or none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import msgspec

from servicekit.tokens import Principal
from wharf_upload import timings
from wharf_upload.access import reach
from wharf_upload.domain.digests import Hashing
from wharf_upload.domain.file_writes import Stored
from wharf_upload.domain.long_work import LongWorkRule, TakesLong
from wharf_upload.domain.upload_intent import UploadIntent
from wharf_upload.storage.base import BlobStore
from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.uploads.arriving_form import ArrivingForm
from wharf_upload.uploads.commit import FileCommit
from wharf_upload.uploads.slices.fields import Slice
from wharf_upload.uploads.slices.receive import SliceReceiver
from wharf_upload.uploads.slices.values import ArrivedSlice


@dataclass(frozen=True)
class ReceivedForm:
    """A form after all its files were stored.

    `redirect` is the allowed address to which the form redirects the browser, or `None`.
    """

    stored: Stored
    redirect: str | None


@dataclass(frozen=True)
class KeptSlice:
    """A stored slice of an incomplete file; `expires_at` (unix ms) is when the slices expire."""

    slice: Slice
    expires_at: int


class FormReceiver:
    """Stores all files of a form, or none."""

    def __init__(
        self,
        store: BlobStore,
        commit: FileCommit,
        slices: SliceReceiver,
        long_work: LongWorkRule,
        *,
        max_files: int,
    ) -> None:
        """Create the receiver; `max_files` is the maximum number of files in a form."""
        self._store, self._commit, self._slices = store, commit, slices
        self._long_work, self._max_files = long_work, max_files

    def receive(
        self,
        principal: Principal,
        intent: UploadIntent,
        spool_path: str,
        boundary: bytes,
        query: str,
        on_redirect: Callable[[str], None],
        *,
        briefly: bool = False,
    ) -> ReceivedForm | KeptSlice:
        """Store the files of a spooled form.

        `intent` names the sender and the bucket; its key is empty. Some uploaders describe a slice
        in the `query` of the address. The method calls `on_redirect` with the allowed redirect
        address as soon as it has read the address, even if it refuses the form later.

        Raises problems, the errors of `multipart.parser`, of names, types and sizes, `StoreError`
        and the errors of the commit. With `briefly` the method may raise `TakesLong`, and then has
        changed nothing.
        """
        begun = time.perf_counter()
        with ExitStack() as undo:
            # An open file stays readable after the gateway has removed its path. The gateway
            # removes the path when the client disconnects.
            spool = undo.enter_context(SpoolFile.open(spool_path))
            _verify_message(spool, intent.digests)
            form = ArrivingForm(self._store, intent, self._max_files, spool, on_redirect)
            undo.callback(form.abort)
            form.read(boundary, briefly=briefly)
            arrived = form.slice(principal, query)
            if arrived is not None:
                return self._received_slice(arrived, briefly=briefly)
            files, options = form.files(principal)
            try:
                form.commit()
            except BaseException:
                self._commit.discard(files)
                raise
        chosen = self._commit.judged_again(
            principal, msgspec.structs.replace(intent, on_conflict=options.on_conflict), files
        )
        timings.ended(timings.RECEIVE, begun)
        return ReceivedForm(self._commit.keep(chosen, files), options.redirect)

    def _received_slice(self, arrived: ArrivedSlice, *, briefly: bool) -> ReceivedForm | KeptSlice:
        if briefly and self._long_work.takes_long(arrived.slice.length):
            # this slice may complete the file, and hashing the whole file takes long
            raise TakesLong
        outcome = self._slices.receive(arrived)
        if outcome.file is None:
            return KeptSlice(arrived.slice, outcome.expires_at)
        # A repeated slice may belong to a stored file whose key is now outside the caller's grants.
        reach.require_upload(arrived.principal, outcome.file.bucket, outcome.file.key)
        stored = Stored(files=(outcome.file,), created=(True,), replayed=outcome.repeated)
        return ReceivedForm(stored, arrived.options.redirect)


def _verify_message(spool: SpoolFile, expected: Mapping[str, bytes]) -> None:
    """Verify a form's Content-Digest, which covers the whole message with boundaries (RFC 9530)."""
    if not expected:
        return
    hashing = Hashing(sha512="sha-512" in expected)
    spool.hash_into(hashing, 0, spool.size)
    hashing.verify(expected)
