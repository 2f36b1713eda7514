"""Finds the file of a download, and the place of its bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from wharf_upload.domain.files import File
from wharf_upload.domain.refusals import NoSuchFile
from wharf_upload.storage.base import BlobName, BlobStore, GatewayPlace


class StoredFiles(Protocol):
    """The queries of downloads; see `database.contract`."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the file with this key, or `None`; the file may have expired."""


class Downloads:
    """Finds files, and the places where the gateway finds their bytes."""

    def __init__(self, files: StoredFiles, store: BlobStore, clock: Callable[[], float]) -> None:
        """Take a `clock` of unix seconds."""
        self._files, self._store, self._clock = files, store, clock

    def find(self, tenant: str, bucket: str, key: str) -> File:
        """Return the file with this key if it is available and not expired; raises `NoSuchFile`."""
        file = self._files.file(tenant, bucket, key)
        if file is None or file.state != "available" or file.is_expired(int(self._clock() * 1000)):
            raise NoSuchFile
        return file

    def place(self, file: File) -> GatewayPlace:
        """Return where the gateway finds the file's bytes."""
        return self._store.gateway_place(BlobName(file.tenant, file.blob))
