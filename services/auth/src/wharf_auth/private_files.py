"""Files with secrets: whole or not there, durable, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path

from servicekit import atomic_file


def write(path: Path, content: bytes) -> None:
    """Puts a file in place, replacing an older one at once; raises `OSError`.

    It belongs to whom the folder belongs: root at the command line makes keys for the service.
    """
    with atomic_file.replacing(path, mode=0o600, durable=True) as file:
        if os.geteuid() == 0:
            owner = os.stat(path.parent)
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(content)
