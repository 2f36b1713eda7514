"""A check whether the store can adopt bodies from the gateway's spool by hard links.

Two folders of one file system may be on two mounts, and link(2) fails between mounts. Some file
systems have no hard links. `/readyz` reports these faults, so an operator finds them before a large
upload fails. With an object store no hard links are made: then the spool folder need only be
writable.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from servicekit.ids import uuid7_hex


class SpoolCheck:
    """Creates an empty file and a hard link to it; after a success the check is not repeated."""

    def __init__(self, spool: Path, staging: Path | None) -> None:
        """Create the check; `staging` is `None` if bytes go to an object store."""
        self._spool, self._staging = spool, staging
        self._works = False

    def error(self) -> str | None:
        """Return what is wrong with the spool, or `None`."""
        if self._works:
            return None
        name = f"probe-{uuid7_hex()}"
        source = self._spool / name
        target = source if self._staging is None else self._staging / name
        try:
            source.touch(mode=0o600, exist_ok=False)
            if target != source:
                os.link(source, target)
        except OSError as error:
            return _words(error)
        finally:
            for path in {target, source}:
                with suppress(OSError):
                    path.unlink()
        self._works = True
        return None


def _words(error: OSError) -> str | None:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return None  # downloads still work, and each upload gets its own error
    if error.errno == errno.ENOENT:
        return "the gateway's spool folder does not exist yet"
    if error.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
        return (
            "bodies cannot be linked from the spool into the store: WHARF_SPOOL must be on the "
            "same mount as WHARF_DATA, and its file system must support hard links"
        )
    return f"the spool cannot be used: {os.strerror(error.errno or errno.EIO)}"
