"""Small pictures that gateways keep: those of a blob that is gone go with it.

Each gateway has a folder below `WHARF_DATA/pictures`, which its nginx fills
(`deploy/nginx/conf.d/images.conf.template`): a file for each picture, named by the MD5 of its key,
"<width> <location of the blob>", in two levels of folders. nginx takes a file that is gone for a
picture that was never made.
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

# nginx begins each file with a header of its own, then the key.
_KEY = re.compile(rb"\nKEY: [0-9]+ ([^/\n]+)/[^/\n]+/([^/\n]+)\n")
_HEADER_BYTES = 2048


class KeptPicture(NamedTuple):
    """A picture of a blob, as nginx keeps it."""

    path: str
    tenant: str
    blob: str

    def remove(self) -> None:
        """Remove it; raises `OSError`."""
        with suppress(FileNotFoundError):
            os.unlink(self.path)


class KeptPictures:
    """The pictures that all gateways on one WHARF_DATA keep."""

    def __init__(self, data: Path) -> None:
        self._folder = str(data / "pictures")

    def forget(self, location: str) -> None:
        """Remove the pictures of a blob, which is where the gateway finds it; raises `OSError`."""
        names = [_name(location, width) for width in WIDTHS]
        for instance in self._instances():
            for name in names:
                with suppress(FileNotFoundError, NotADirectoryError):
                    os.unlink(f"{self._folder}/{instance}/{name}")

    def kept(self) -> Iterator[KeptPicture]:
        """Yield all pictures, in no order; reads the beginning of each."""
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = f"{folder}/{name}"
                with suppress(OSError), open(path, "rb") as file:
                    found = _KEY.search(file.read(_HEADER_BYTES))
                    if found is not None:
                        yield KeptPicture(path, found[1].decode(), found[2].decode())

    def forget_gateway(self, instance: str) -> None:
        """Remove all that a gateway kept which is gone for good; raises `OSError`."""
        with suppress(FileNotFoundError):
            shutil.rmtree(f"{self._folder}/{instance}")

    def _instances(self) -> list[str]:
        try:
            return os.listdir(self._folder)
        except FileNotFoundError:
            return []


def _name(location: str, width: int) -> str:
    """Return where nginx keeps a picture: `levels=1:2` takes the folders from the name's end."""
    # A location may end with a query that lets the gateway read the blob.
    key = f"{width} {location.partition('?')[0]}"
    digest = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[-1]}/{digest[-3:-1]}/{digest}"
