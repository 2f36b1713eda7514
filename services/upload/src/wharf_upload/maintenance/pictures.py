"""The small pictures that gateways keep; those of a deleted blob are removed with it.

Each gateway has a folder below `WHARF_DATA/pictures`, which its nginx fills
(`deploy/nginx/conf.d/images.conf.template`). The folder contains a file for each picture, in two
levels of folders. The file's name is the MD5 of the key "<width> <location of the blob>". nginx
treats a removed file as a picture that it has never had.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from wharf_upload.domain.pictures import WIDTHS

# nginx begins each file with a binary header; the key follows.
_KEY = re.compile(rb"\nKEY: [0-9]+ ([^/\n]+)/[^/\n]+/([^/\n]+)\n")
_HEADER_BYTES = 2048


class KeptPicture(NamedTuple):
    """A picture of a blob in nginx's folder."""

    path: str
    tenant: str
    blob: str

    def remove(self) -> None:
        """Remove the picture; raises `OSError`."""
        with suppress(FileNotFoundError):
            os.unlink(self.path)


class KeptPictures:
    """The pictures of all gateways on one WHARF_DATA."""

    def __init__(self, data: Path) -> None:
        self._folder = str(data / "pictures")

    def forget(self, location: str) -> None:
        """Remove the pictures of the blob at the gateway's `location`; raises `OSError`."""
        names = [_name(location, width) for width in WIDTHS]
        for instance in self._instances():
            for name in names:
                with suppress(FileNotFoundError, NotADirectoryError):
                    os.unlink(f"{self._folder}/{instance}/{name}")

    def kept(self) -> Iterator[KeptPicture]:
        """Yield all readable pictures, in any order; the method reads the start of each file."""
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = f"{folder}/{name}"
                with suppress(OSError), open(path, "rb") as file:
                    found = _KEY.search(file.read(_HEADER_BYTES))
                    if found is not None:
                        yield KeptPicture(path, found[1].decode(), found[2].decode())

    def forget_gateway(self, instance: str) -> None:
        """Remove all pictures of a gateway that no longer exists; raises `OSError`."""
        with suppress(FileNotFoundError):
            shutil.rmtree(f"{self._folder}/{instance}")

    def _instances(self) -> list[str]:
        try:
            return os.listdir(self._folder)
        except FileNotFoundError:
            return []


def _name(location: str, width: int) -> str:
    """Return the path of a picture: `levels=1:2` of nginx takes folders from the name's end."""
    # The location may have a query by which the gateway reads the blob; nginx's key has no query.
    key = f"{width} {location.partition('?')[0]}"
    digest = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[-1]}/{digest[-3:-1]}/{digest}"
