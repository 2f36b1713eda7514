"""The progress of an upload."""

from __future__ import annotations

from servicekit.tokens import Principal
from wharf_upload.domain.long_work import TakesLong
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.uploads.resumable.complete import UploadCompleter
from wharf_upload.uploads.resumable.concatenate import UploadConcatenator
from wharf_upload.uploads.resumable.held import HeldUploads, released
from wharf_upload.uploads.resumable.values import Progress


class UploadProgress:
    """Tells the progress of uploads."""

    def __init__(
        self, held: HeldUploads, completer: UploadCompleter, concatenator: UploadConcatenator
    ) -> None:
        self._held, self._completer, self._concatenator = held, completer, concatenator

    def of(self, principal: Principal, identifier: str, *, briefly: bool = False) -> Progress:
        """Return the progress of an upload, after ending a request that still sends bytes to it.

        The method completes an upload that a crash has left with all its bytes. Raises the problem
        `not-found`, `TicketRefused` and `UploadBusy`; with `briefly` also `TakesLong`.
        """
        releases = self._held.leases.releases
        upload = self._held.find(principal, identifier)
        if upload.concat == "final" and upload.file is None:
            if briefly:
                raise TakesLong  # all parts may be complete, and joining them takes long
            return self._concatenator.join(principal, upload)
        if upload.file is not None:
            return Progress(upload, upload.file.size, upload.file)
        upload, lease = self._held.hold_found(principal, upload, releases)
        with released(lease):
            if upload.file is not None:
                return Progress(upload, upload.file.size, upload.file)
            return self._settled(principal, upload, briefly=briefly)

    def _settled(self, principal: Principal, upload: Upload, *, briefly: bool) -> Progress:
        part = self._held.open(upload.id)
        try:
            size = self._held.settled_size(upload, part)
            if size == upload.length and not upload.concat:
                if briefly and self._completer.takes_long(size):
                    raise TakesLong
                return self._completer.complete(principal, upload, part)
            return Progress(upload, size)
        finally:
            part.close()
