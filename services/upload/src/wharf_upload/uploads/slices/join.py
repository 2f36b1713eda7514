"""The joining of slices: appends them to a partial upload in order, and completes the file."""

from __future__ import annotations

from servicekit.tokens import Principal
from wharf_upload.content_types.sniffing import HEAD_BYTES
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.domain.upload_intent import check_early
from wharf_upload.storage.parked_slices import ParkedSlices
from wharf_upload.storage.partial_uploads import PartialUpload
from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.uploads.resumable.complete import UploadCompleter
from wharf_upload.uploads.resumable.held import HeldUploads
from wharf_upload.uploads.resumable.terminate import UploadTerminator
from wharf_upload.uploads.resumable.values import Progress
from wharf_upload.uploads.rules import UploadRules
from wharf_upload.uploads.slices.parking import park, require_same
from wharf_upload.uploads.slices.turns import Turn
from wharf_upload.uploads.slices.values import ArrivedSlice, Joined


class SliceJoiner:
    """Joins slices of uploads; the caller must have the turn of the upload."""

    def __init__(
        self,
        held: HeldUploads,
        parked: ParkedSlices,
        rules: UploadRules,
        completer: UploadCompleter,
        terminator: UploadTerminator,
    ) -> None:
        self._held, self._parked, self._rules = held, parked, rules
        self._completer, self._terminator = completer, terminator

    def join(
        self, turn: Turn, upload: Upload, principal: Principal, arrived: ArrivedSlice | None
    ) -> Joined:
        """Append or park a slice, append the parked slices that follow, and complete a whole file.

        Raises the errors of completions, and the problems `inconsistent-slice` and `upload-busy`.
        """
        turn.lease.require()
        part = turn.part
        before = self._settled(upload, part)
        if arrived is not None:
            self._place(upload, part, before, arrived)
        joined = self._join_parked(upload, part)
        size = part.size()
        if size == upload.length:
            turn.lease.require()
            outcome = self._completer.complete(principal, upload, part)
        else:
            outcome = Progress(upload, size)
            if before < HEAD_BYTES <= size:
                self._check_head(principal, upload, part)
            if size > before or arrived is not None:
                # An earlier process may have appended bytes and ended before they were durable.
                self._parked.sync(part)
            self._held.note(upload, discard_from=None, size=size)
        # Parked slices are removed last: a crash may lose bytes that are not durable, and then the
        # parked slices are joined again.
        for index in joined:
            self._parked.remove(upload, index)
        return Joined(upload, _index_at(upload, size), outcome.file, outcome.replayed)

    def _settled(self, upload: Upload, part: PartialUpload) -> int:
        """Return the size, after discarding an incomplete slice that a killed process has left."""
        size = part.size()
        begun = size % _slice_bytes(upload) if size != upload.length else 0
        if begun:
            self._held.truncate(upload, part, size - begun)
        return size - begun

    def _place(self, upload: Upload, part: PartialUpload, size: int, arrived: ArrivedSlice) -> None:
        found = arrived.slice
        next_index = _index_at(upload, size)
        if found.index < next_index:
            require_same(part.spool_file(), found.begin, arrived)
        elif found.index == next_index:
            self._append(upload, part, arrived.spool, arrived.begin, found.size)
        else:
            park(self._parked, upload, arrived, next_index)

    def _join_parked(self, upload: Upload, part: PartialUpload) -> list[int]:
        """Append the parked slices that follow; return their indexes."""
        joined: list[int] = []
        while (size := part.size()) != upload.length:
            index = _index_at(upload, size)
            parked = self._parked.open(upload, index)
            if parked is None:
                break
            try:
                if parked.size != min(_slice_bytes(upload), (upload.length or 0) - size):
                    # A power failure has lost a part of the slice; the client must send it again.
                    self._parked.remove(upload, index)
                    break
                self._append(upload, part, parked, 0, parked.size)
            finally:
                parked.close()
            joined.append(index)
        return joined

    def _append(
        self, upload: Upload, part: PartialUpload, source: SpoolFile, begin: int, size: int
    ) -> None:
        before = part.size()
        try:
            part.append(source, size, begin)
        except BaseException:
            self._held.truncate(upload, part, before)
            raise

    def _check_head(self, principal: Principal, upload: Upload, part: PartialUpload) -> None:
        """Check the type of the first bytes as soon as they are there; raises `TypeNotAllowed`."""
        try:
            check_early(
                part.spool_file().read_at(0, HEAD_BYTES),
                upload.key.rpartition("/")[2],
                self._rules.of(principal, upload.bucket).policy,
                principal.ticket,
                upload.options.declared_type,
            )
        except Exception as error:
            self._terminator.give_up_after(error, upload)
            raise


def _slice_bytes(upload: Upload) -> int:
    slicing = upload.options.slicing
    if slicing is None:
        raise ValueError("the upload has no slices")
    return slicing.slice_bytes


def _index_at(upload: Upload, size: int) -> int:
    """Return the index of the slice after `size` bytes of whole slices.

    At the end of the file the result is the number of slices.
    """
    return -(-size // _slice_bytes(upload))
