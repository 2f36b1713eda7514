"""Whether bodies can be linked from the gateway's spool into the store (link(2), no copies).

Two folders of one file system may still be two mounts, between which nothing can be linked; a
volume may know no links at all. It is better told at the start than with each large upload. With an
object store nothing is linked, and the spool has to take files, no more.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from servicekit.ids import uuid7_hex


class SpoolCheck:
    """Makes and links an empty file once; what has worked once is not tried again."""

    def __init__(self, spool: Path, staging: Path | None) -> None:
        """`staging` is `None` where nothing is linked: bytes go to an object store."""
        self._spool, self._staging = spool, staging
        self._works = False

    def error(self) -> str | None:
        """What is wrong with the spool, or `None`."""
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
        return None  # reads go on, and whoever uploads is told
    if error.errno == errno.ENOENT:
        return "the gateway's spool folder is not there yet"
    if error.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
        return (
            "bodies cannot be linked from the spool into the store: WHARF_SPOOL has to be on the "
            "same mount as WHARF_DATA, of a file system with hard links"
        )
    return f"the spool cannot be used: {os.strerror(error.errno or errno.EIO)}"
