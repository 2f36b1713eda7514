"""The entry point to resumable uploads for the routes of tus and of the IETF protocol.

An upload is a row and a file, the partial upload. The size of this file is the offset of the
upload. When all bytes have arrived, the upload becomes a file. Each step has its own module. This
module combines the steps.
"""

from __future__ import annotations

from servicekit.tokens import Principal
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.storage.parked_slices import upload_of
from wharf_upload.uploads.resumable.append import UploadAppender
from wharf_upload.uploads.resumable.concatenate import UploadConcatenator
from wharf_upload.uploads.resumable.create import UploadCreator
from wharf_upload.uploads.resumable.held import HeldUploads
from wharf_upload.uploads.resumable.progress import UploadProgress
from wharf_upload.uploads.resumable.terminate import UploadTerminator
from wharf_upload.uploads.resumable.under_way import UploadsUnderWay
from wharf_upload.uploads.rules import UploadRules


class ResumableUploads:
    """The steps of an upload, for the routes of both protocols."""

    def __init__(
        self,
        held: HeldUploads,
        rules: UploadRules,
        creator: UploadCreator,
        appender: UploadAppender,
        concatenator: UploadConcatenator,
        progress: UploadProgress,
        terminator: UploadTerminator,
    ) -> None:
        self._held, self._rules = held, rules
        self.under_way = UploadsUnderWay(held)
        self.creator, self.appender, self.concatenator = creator, appender, concatenator
        self.progress, self.terminator = progress, terminator

    def find(self, principal: Principal, identifier: str) -> Upload:
        """Return the upload; raises the errors of `HeldUploads.find`."""
        return self._held.find(principal, identifier)

    def row(self, principal: Principal, identifier: str) -> Upload | None:
        """Return the upload of the caller's tenant, of any sender and age, or `None`."""
        return self._held.rows.get(principal.tenant, identifier)

    def require_here(self, upload: Upload) -> None:
        """Raise `AtAnotherReplica` if the bytes of the upload are at another replica."""
        self._held.require_here(upload)

    def max_bytes(self, principal: Principal, upload: Upload) -> int:
        """Return the maximum size of the upload in bytes, by its bucket and the caller's ticket."""
        return self._rules.of(principal, upload.bucket).largest.bytes

    def holds(self, identifier: str) -> bool:
        """Tell whether this process may work on an upload; always true for a single replica.

        The result is false for a parked slice, because no caller asks for its digest.
        """
        return upload_of(identifier) == identifier and self._held.leases.holds(identifier)
