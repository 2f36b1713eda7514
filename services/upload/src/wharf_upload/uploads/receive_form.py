"""Receiving a form: one spool file that holds several files and plain fields.

The form is read once. Each file's bytes are hashed as they pass, and copied in the kernel into a
blob of their own; nothing becomes visible unless all of it does.
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
    """A form whose files are stored. `redirect` is where it wants its browser sent: an allowed
    address, or `None`.
    """

    stored: Stored
    redirect: str | None


@dataclass(frozen=True)
class KeptSlice:
    """A slice of a file that is not whole yet; until `expires_at` (unix ms) others may come."""

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
        """`max_files` is how many files a form may hold."""
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
        """Store the files of a spooled form; `intent` says who sends it where, its key is empty.

        Some uploaders say in the `query` of the address what they send. `on_redirect` gets the
        allowed address to which the form leads as soon as it is read, also of a form that is
        refused then. Raises problems, the errors of `multipart.parser`, of names, types and sizes,
        `StoreError` and what the commit raises; `briefly`: also `TakesLong`, with nothing done.
        """
        begun = time.perf_counter()
        with ExitStack() as undo:
            # An open file outlives its path: the gateway removes that when the client goes away.
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
            raise TakesLong  # it may be the one that makes the file whole
        outcome = self._slices.receive(arrived)
        if outcome.file is None:
            return KeptSlice(arrived.slice, outcome.expires_at)
        # A slice that comes again may find a file whose key an earlier reach has chosen.
        reach.require_upload(arrived.principal, outcome.file.bucket, outcome.file.key)
        stored = Stored(files=(outcome.file,), created=(True,), replayed=outcome.repeated)
        return ReceivedForm(stored, arrived.options.redirect)


def _verify_message(spool: SpoolFile, expected: Mapping[str, bytes]) -> None:
    """A form's Content-Digest is that of the whole message, boundaries included (RFC 9530)."""
    if not expected:
        return
    hashing = Hashing(sha512="sha-512" in expected)
    spool.hash_into(hashing, 0, spool.size)
    hashing.verify(expected)
