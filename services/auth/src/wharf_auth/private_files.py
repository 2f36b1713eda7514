"""Files with secrets: written atomically and durably, and readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path

from servicekit import atomic_file


def write(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, atomically and durably; raise `OSError`.

    If root writes the file, the file gets the owner and group of its folder: an operator may run
    the commands as root, and the service has to read the file.
    """
    with atomic_file.replacing(path, mode=0o600, durable=True) as file:
        if os.geteuid() == 0:
            owner = os.stat(path.parent)
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(content)
