"""Finds, lists, changes and deletes files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from wharf_upload.catalog.buckets import BucketCatalog
from wharf_upload.catalog.file_edit import FileEdit
from wharf_upload.domain import keys
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.files import Edit, File, Page
from wharf_upload.domain.refusals import NoSuchFile
from wharf_upload.domain.upload_intent import check_rename


class StoredFiles(Protocol):
    """The queries of the file catalog to the database; see `database.contract`."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the file with this key, or `None`; the file may have expired."""

    def list_files(
        self,
        tenant: str,
        bucket: str,
        *,
        prefix: str,
        delimiter: str,
        after: str,
        limit: int,
        within: Sequence[str],
    ) -> Page:
        """Return a page of files after the key `after`; each key begins with one of `within`."""

    def change(self, file: File, edit: Edit, condition: WriteCondition | None) -> File:
        """Apply `edit` to the current state of a file and store the result."""

    def delete(self, tenant: str, bucket: str, key: str, condition: WriteCondition | None) -> File:
        """Delete a file's row and return the file."""


class FileCatalog:
    """The files of all tenants."""

    def __init__(
        self, stored: StoredFiles, buckets: BucketCatalog, clock: Callable[[], float]
    ) -> None:
        """Take a `clock` of unix seconds."""
        self._stored, self._buckets, self._clock = stored, buckets, clock

    def find(self, tenant: str, bucket: str, key: str) -> File:
        """Return the file; raises `NoSuchFile` for a missing or expired file.

        Unlike a download, this method also finds a file whose `state` is not `available`.
        """
        file = self._stored.file(tenant, bucket, key)
        if file is None or file.is_expired(int(self._clock() * 1000)):
            raise NoSuchFile
        return file

    def page(
        self,
        tenant: str,
        bucket: str,
        *,
        prefix: str,
        delimiter: str,
        after: str,
        limit: int,
        within: Sequence[str] = ("",),
    ) -> Page:
        """Return a page of a bucket's files by key; raises `NoSuchBucket` and `InvalidKey`.

        Only keys that begin with one of the prefixes `within` count; `within` is sorted, and no
        prefix in it begins with another one.
        """
        self._buckets.find(tenant, bucket)
        return self._stored.list_files(
            tenant,
            bucket,
            prefix=keys.prefix(prefix),
            delimiter=delimiter,
            after=after,
            limit=limit,
            within=within,
        )

    def change(self, file: File, wanted: FileEdit, condition: WriteCondition | None) -> File:
        """Return the file after a change of its key, name, metadata or expiry.

        Raises `NoSuchBucket`, `NoSuchFile`, `KeyTaken`, `PreconditionFailed`, `InvalidName`,
        `ExtensionNotAllowed`, `TypeNotAllowed` and the problem `unprocessable`.
        """
        policy = self._buckets.find(file.tenant, file.bucket).policy

        def edit(current: File) -> File:
            changed = wanted.applied_to(current, self._clock())
            for old, new in ((current.key, changed.key), (current.filename, changed.filename)):
                if new != old:
                    check_rename(changed.media_type, changed.size, new.rpartition("/")[2], policy)
            return changed

        # Check the change first, so that an invalid change never joins a transaction with other
        # changes.
        edit(file)
        return self._stored.change(file, edit, condition)

    def delete(self, tenant: str, bucket: str, key: str, condition: WriteCondition | None) -> None:
        """Delete a file; raises `NoSuchFile` or `PreconditionFailed`."""
        self._stored.delete(tenant, bucket, key, condition)
