"""Concatenation (tus 1.0.0): makes a final upload of partial uploads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from servicekit.tokens import Principal
from wharf_upload.access import reach
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.storage.base import BlobMissing
from wharf_upload.uploads.resumable.complete import UploadCompleter
from wharf_upload.uploads.resumable.held import HeldUploads, released
from wharf_upload.uploads.resumable.leases import JoinedElsewhere
from wharf_upload.uploads.resumable.values import Progress


class UploadConcatenator:
    """Joins the parts of final uploads."""

    def __init__(self, held: HeldUploads, completer: UploadCompleter) -> None:
        self._held, self._completer = held, completer
        self._joining: set[str] = set()
        self._joining_lock = threading.Lock()

    def join_finals_of(self, principal: Principal, part: Upload) -> None:
        """Join the final uploads for which this partial upload was the last missing part.

        Final uploads outside the caller's reach are skipped; the partial upload stays complete.
        """
        for final in self._held.rows.finals_of(part.tenant, part.id):
            if reach.reaches_upload(principal, final):
                self.join(principal, final)

    def join(self, principal: Principal, final: Upload) -> Progress:
        """Join the parts of a final upload if all of them are complete; otherwise do nothing."""
        if self._sizes(final) is None:
            # This check comes before any lease is taken: taking the lease of a part would interrupt
            # the request that is sending it.
            return Progress(final, 0)
        with ExitStack() as leases:
            if not leases.enter_context(self._alone(final.id)):
                return Progress(final, 0)  # another thread of this process joins it already
            try:
                lease = self._held.take(final.id, patient=True, queue=False)
            except JoinedElsewhere:
                return Progress(final, 0)  # another replica joins it already
            leases.enter_context(released(lease))
            # Take the leases of the parts in a fixed order: two final uploads with the same parts
            # must not wait for each other.
            for name in sorted(final.parts):
                leases.enter_context(released(self._held.take(name, patient=True)))
            final = self._held.find(principal, final.id)
            if final.file is not None:
                return Progress(final, final.file.size, final.file)
            sizes = self._sizes(final)
            if sizes is None:
                return Progress(final, 0)
            return self._joined(principal, final, sizes)

    @contextmanager
    def _alone(self, final: str) -> Iterator[bool]:
        """Yield true if no other thread joins this upload; waiting would block this thread."""
        with self._joining_lock:
            alone = final not in self._joining
            self._joining.add(final)
        try:
            yield alone
        finally:
            if alone:
                self._joining.discard(final)

    def _sizes(self, final: Upload) -> list[int] | None:
        """Return the sizes (bytes) of the parts, or `None` if one of them is not complete."""
        sizes = []
        for name in final.parts:
            part = self._held.rows.get(final.tenant, name)
            try:
                size = self._held.partials.size(name)
            except BlobMissing:
                return None
            if part is None or part.length != size:
                return None
            if part.discard_from is not None and size > part.discard_from:
                return None  # the checksum of these bytes was never verified
            sizes.append(size)
        return sizes

    def _joined(self, principal: Principal, final: Upload, sizes: list[int]) -> Progress:
        whole = self._held.open(final.id)
        try:
            self._held.truncate(final, whole, 0)
            for name, size in zip(final.parts, sizes, strict=True):
                source = self._held.partials.open(name, alone=self._held.leases.is_shared)
                try:
                    whole.append(source.spool_file(), size)
                finally:
                    source.close()
            progress = self._completer.complete(principal, final, whole)
        finally:
            whole.close()
        for name in final.parts:
            self._held.partials.discard(name)
        return progress
