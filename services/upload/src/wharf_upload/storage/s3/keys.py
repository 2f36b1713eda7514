"""The keys of the object store: a file of two lines, read again when it changes."""

from __future__ import annotations

import logging
import os
import stat
import time
from dataclasses import dataclass, field

from wharf_upload.storage.errors import StoreUnavailable

log = logging.getLogger(__name__)

# How often the file is looked at, in seconds. A look is one stat(2).
_LOOK_SECONDS = 1.0
_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key and its secret."""

    access: str
    secret: str = field(repr=False)


class KeyFile:
    """The keys in a file. Safe to use from several threads."""

    def __init__(self, path: str) -> None:
        """Name the file; the first `keys` reads it."""
        self._path = path
        self._keys: Keys | None = None
        self._version: tuple[int, int, int] | None = None
        self._look_at = 0.0
        # What is wrong with the file as it is now; the keys from before are used.
        self.error: str | None = None

    def keys(self) -> Keys:
        """Return the keys, new ones about a second after the file has changed.

        A change that leaves no usable file is logged, and the keys from before stay. Raises
        `StoreUnavailable` when there are none from before.
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
        # Links are followed: Kubernetes mounts secrets as links.
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
            log.warning("%s; the keys from before are used", words)
        self.error = words
        return self._keys


def _check_access(descriptor: int) -> None:
    """Raise `ValueError` when others on this machine may read the keys, or change them.

    A mounted secret is read-only, or belongs to root and to the group of the service.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no file")
    others = stat.S_IMODE(status.st_mode) & 0o077
    if not others or os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
        return
    if others == stat.S_IRGRP and status.st_uid == 0:
        return
    raise ValueError("others can read it; make it 0600, or mount it as a secret")


def _parse(text: str) -> Keys:
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) != 2 or not all(map(_is_key, lines)):
        raise ValueError("expected are two lines, the access key and the secret key")
    return Keys(*lines)


def _is_key(line: str) -> bool:
    """Tell whether a line can stand in a field of a request."""
    return bool(line) and line.isascii() and line.isprintable()
