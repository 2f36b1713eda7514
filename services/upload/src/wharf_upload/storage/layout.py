"""Where blobs lie on a local disk: `tenants/<tenant>/<aa>/<blob>`, unfinished ones in `staging`.

`aa` are two digits of the blob's time stamp. Files that are stored together share a folder, and
one fsync of it serves them all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from wharf_upload.storage.base import BlobName, Found

# Two digits of a UUIDv7's milliseconds: they change every 256 ms and come round every 65 s.
_AA = slice(8, 10)


def relative_path(name: BlobName) -> str:
    """Return the path of a blob below `tenants`: its location, whatever store has it."""
    return f"{name.tenant}/{name.blob[_AA]}/{name.blob}"


class BlobLayout:
    """The folders of one store; one filesystem for both."""

    def __init__(self, data: Path) -> None:
        """Name the folders below `data`; `make` makes them."""
        self.tenants, self.staging = str(data / "tenants"), str(data / "staging")

    def make(self) -> None:
        """Make the two top folders."""
        for folder in (self.tenants, self.staging):
            os.makedirs(folder, mode=0o700, exist_ok=True)

    def path(self, name: BlobName) -> str:
        """Return where the blob lies."""
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
    """Yield what lies in a folder; nothing where there is none."""
    try:
        with os.scandir(folder) as found:
            # NFS keeps a file that is still open, and gone, under a name with a dot.
            yield from (entry for entry in found if not entry.name.startswith("."))
    except FileNotFoundError:
        return


def _folders(folder: str) -> Iterator[os.DirEntry[str]]:
    for entry in entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield entry
