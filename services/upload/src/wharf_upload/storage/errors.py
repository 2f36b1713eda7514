"""The errors of a store, and the translation of the operating system's errors into them."""

from __future__ import annotations

import errno
import os
from types import TracebackType

# The process or the machine has too few of something. This passes.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class StoreError(Exception):
    """The store failed. Nothing became visible."""


class StoreFull(StoreError):
    """There is no room left."""


class StoreBusy(StoreError):
    """The store cannot do this now; later it may."""


class StoreUnavailable(StoreBusy):
    """The store cannot be reached, or refuses the service; the message says why."""


class BlobMissing(StoreError):
    """There is no blob of this name."""


def as_store_error(error: OSError) -> StoreError:
    """Return the store's error for an operating system error; its message never shows a path."""
    if error.errno in _NO_ROOM:
        return StoreFull("no room left in the store")
    if error.errno in EXHAUSTED:
        return StoreBusy(os.strerror(error.errno))
    return StoreError(os.strerror(error.errno or errno.EIO))


class _Translating:
    """A context in which an `OSError` becomes a `StoreError`. It has no state: one serves all."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Translate an `OSError`; let everything else pass."""
        if isinstance(error, OSError):
            raise as_store_error(error) from error


translating = _Translating()
