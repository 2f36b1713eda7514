"""Small pictures that gateways keep: those of a blob that is gone go with it.

Each gateway has a folder below `WHARF_DATA/pictures`, which its nginx fills
(`deploy/nginx/conf.d/images.conf.template`): a file for each picture, named by the MD5 of its key,
"<width> <location of the blob>", in two levels of folders. nginx takes a file that is gone for a
picture that was never made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from wharf_upload.domain.pictures import WIDTHS


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
