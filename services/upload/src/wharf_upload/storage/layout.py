"""The layout of blobs on a local disk: `tenants/<tenant>/<aa>/<blob>`.

Unfinished blobs are in `staging`.

`aa` are two digits of the blob's time stamp. Files that are stored at the same time share a folder,
and one fsync of the folder makes all their names durable.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from wharf_upload.storage.base import BlobName, Found

# Two digits of a UUIDv7's milliseconds: they change every 256 ms and repeat every 65 s.
_AA = slice(8, 10)


def relative_path(name: BlobName) -> str:
    """Return the path of a blob below `tenants`, which is also its `GatewayPlace.location`."""
    return f"{name.tenant}/{name.blob[_AA]}/{name.blob}"


class BlobLayout:
    """The two folders of one store; they must be on the same file system."""

    def __init__(self, data: Path) -> None:
        """Set the paths of the folders below `data`; `make` creates the folders."""
        self.tenants, self.staging = str(data / "tenants"), str(data / "staging")

    def make(self) -> None:
        """Create the two top folders."""
        for folder in (self.tenants, self.staging):
            os.makedirs(folder, mode=0o700, exist_ok=True)

    def path(self, name: BlobName) -> str:
        """Return the path of the blob."""
        return f"{self.tenants}/{name.tenant}/{name.blob[_AA]}/{name.blob}"

    relative_path = staticmethod(relative_path)

    def blobs(self) -> Iterator[Found]:
        """Yield all blobs of all tenants, in no order."""
        for tenant in _folders(self.tenants):
            for folder in _folders(tenant.path):
                for entry in entries(folder.path):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    yield Found(BlobName(tenant.name, entry.name), status.st_size, status.st_ctime)


def entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder; a missing folder has none."""
    try:
        with os.scandir(folder) as found:
            # NFS keeps a deleted file that is still open, under a name that starts with a dot.
            yield from (entry for entry in found if not entry.name.startswith("."))
    except FileNotFoundError:
        return


def _folders(folder: str) -> Iterator[os.DirEntry[str]]:
    for entry in entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield entry
