"""The keys of the object store: a file of two lines, which is read again after a change."""

from __future__ import annotations

import logging
import os
import stat
import time
from dataclasses import dataclass, field

from wharf_upload.storage.errors import StoreUnavailable

log = logging.getLogger(__name__)

# How often the file is checked for changes, in seconds; a check is one stat(2).
_LOOK_SECONDS = 1.0
_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key and its secret."""

    access: str
    secret: str = field(repr=False)


class KeyFile:
    """The keys in a file; several threads may use it."""

    def __init__(self, path: str) -> None:
        """Set the path of the file; the first call of `keys` reads it."""
        self._path = path
        self._keys: Keys | None = None
        self._version: tuple[int, int, int] | None = None
        self._look_at = 0.0
        # The error of the present file. The earlier keys stay in use until the file is correct.
        self.error: str | None = None

    def keys(self) -> Keys:
        """Return the keys; new keys take effect about a second after the file has changed.

        If the changed file is not usable, the problem is logged and the earlier keys stay in use.
        Raises `StoreUnavailable` if there are no earlier keys.
        """
        now = time.monotonic()
        keys = self._keys
        if keys is not None and now < self._look_at:
            return keys
        self._look_at = now + _LOOK_SECONDS
        try:
            keys = self._read()
        except OSError as error:
            keys = self._without_change(os.strerror(error.errno or 0))
        except ValueError as error:
            keys = self._without_change(str(error))
        return keys

    def _read(self) -> Keys:
        # This follows symbolic links, because Kubernetes mounts secrets as links.
        status = os.stat(self._path)
        version = (status.st_mtime_ns, status.st_ino, status.st_size)
        if self._keys is not None and version == self._version:
            self.error = None
            return self._keys
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check_access(descriptor)
            text = os.read(descriptor, _MAX_BYTES).decode("ascii", "replace")
        finally:
            os.close(descriptor)
        self._keys, self._version, self.error = _parse(text), version, None
        return self._keys

    def _without_change(self, reason: str) -> Keys:
        words = f"WHARF_BLOB_KEY_FILE cannot be used: {reason}"
        if self._keys is None:
            raise StoreUnavailable(words) from None
        if self.error != words:
            log.warning("%s; the earlier keys stay in use", words)
        self.error = words
        return self._keys


def _check_access(descriptor: int) -> None:
    """Raise `ValueError` if other users of this machine may read or change the keys.

    Mounted secrets are exceptions: a file on a read-only file system, and a file of root that only
    the file's group may read. Raise `ValueError` also if the path is not a regular file.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    others = stat.S_IMODE(status.st_mode) & 0o077
    if not others or os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
        return
    if others == stat.S_IRGRP and status.st_uid == 0:
        return
    raise ValueError("others can read it; make it 0600, or mount it as a secret")


def _parse(text: str) -> Keys:
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) != 2 or not all(map(_is_key, lines)):
        raise ValueError("it must have two lines, the access key and the secret key")
    return Keys(*lines)


def _is_key(line: str) -> bool:
    """Tell whether a line is valid as part of a header field."""
    return bool(line) and line.isascii() and line.isprintable()
