"""Parked slices: slices that have arrived before earlier ones of their file.

A parked slice is a file in the folder of the partial uploads, `resumable/<upload id>-<creation time
of the upload>-<index>`. The creation time separates the slices of two uploads that use the same id
one after the other. The sweeper removes the remaining slices when their upload has no row any more
(`maintenance/upload_sweeper.py`). The file `<upload id>-refused` contains the reason of a refusal,
for slices that were under way when their upload was refused.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from servicekit.ids import uuid7_hex
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.storage.errors import translating
from wharf_upload.storage.partial_uploads import PartialUpload
from wharf_upload.storage.spool_file import SpoolFile

_MODE = 0o600
_LONGEST_REASON = 4096


class ParkedSlices:
    """The parked slices in the folder of the partial uploads; all methods raise `StoreError`."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        """Set the folder; with `durable` the methods call fsync."""
        self._folder, self._durable = str(folder), durable

    def sync(self, part: PartialUpload) -> None:
        """Make the bytes of a partial upload durable.

        An uploader cannot ask which slices are stored, so an acknowledged slice must not be lost.
        """
        if self._durable:
            with translating:
                os.fsync(part.descriptor)

    def sync_names(self) -> None:
        """Make the names of the files in the folder durable."""
        if self._durable:
            self._sync_folder()

    def park(self, upload: Upload, index: int, spool: SpoolFile, begin: int, size: int) -> None:
        """Park `size` bytes of a spool file, from `begin` on, as a slice of an upload."""
        path = self._path(upload, index)
        new = f"{path}-{uuid7_hex()}"
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        with translating:
            parked = PartialUpload(new, os.open(new, flags, _MODE))
            try:
                parked.append(spool, size, begin)
                if self._durable:
                    os.fsync(parked.descriptor)
                os.rename(new, path)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(new)
                raise
            finally:
                parked.close()
        self.sync_names()

    def open(self, upload: Upload, index: int) -> SpoolFile | None:
        """Return a parked slice, or `None` if this slice is not parked."""
        path = self._path(upload, index)
        with translating:
            # Opening the folder makes NFS read its present entries from the server.
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
                descriptor = os.open(os.path.basename(path), flags, dir_fd=folder)
            except FileNotFoundError:
                return None
            finally:
                os.close(folder)
            return SpoolFile(path, descriptor, owned=True)

    def is_there(self, upload: Upload, index: int) -> bool:
        """Tell whether a slice is parked."""
        found = self.open(upload, index)
        if found is not None:
            found.close()
        return found is not None

    def remove(self, upload: Upload, index: int) -> None:
        """Remove a parked slice; a missing slice is no error."""
        with translating, suppress(FileNotFoundError):
            os.unlink(self._path(upload, index))

    def note_refusal(self, upload: str, reason: str) -> None:
        """Store the reason of a refusal; the sweeper removes it after some minutes."""
        with translating, open(self._refusal(upload), "w", encoding="utf-8") as note:
            note.write(reason[:_LONGEST_REASON])

    def refusal(self, upload: str) -> str | None:
        """Return why the upload was refused a short time ago, or `None`."""
        with translating:
            try:
                with open(self._refusal(upload), encoding="utf-8") as note:
                    return note.read(_LONGEST_REASON)
            except FileNotFoundError:
                return None

    def forget_refusal(self, upload: str) -> None:
        """Remove the refusal, so that the upload can start again."""
        with translating, suppress(FileNotFoundError):
            os.unlink(self._refusal(upload))

    def _path(self, upload: Upload, index: int) -> str:
        return f"{self._folder}/{upload.id}-{upload.created_at}-{index}"

    def _refusal(self, upload: str) -> str:
        return f"{self._folder}/{upload}-refused"

    def _sync_folder(self) -> None:
        with translating:
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def is_parked(name: str) -> bool:
    """Tell by its name whether a file in the folder is a parked slice."""
    return name.count("-") == 2


def upload_of(name: str) -> str:
    """Return the id of the upload that a file in the folder belongs to."""
    return name.partition("-")[0]
