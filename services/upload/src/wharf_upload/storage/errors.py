"""The errors of a store, and the translation of the operating system's errors into them."""

from __future__ import annotations

import errno
import os
from types import TracebackType

# Errors of a process or a machine that has too few resources; a retry may succeed.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class StoreError(Exception):
    """The store failed; nothing became visible, unless only the store's response was lost."""


class StoreFull(StoreError):
    """The store has no free space."""


class StoreBusy(StoreError):
    """The store cannot do this now; a retry may succeed."""


class StoreUnavailable(StoreBusy):
    """The store cannot be reached, or refuses the service; the message says why."""


class BlobMissing(StoreError):
    """No blob has this name."""


def as_store_error(error: OSError) -> StoreError:
    """Return the store's error for an operating system error; its message contains no path."""
    if error.errno in _NO_ROOM:
        return StoreFull("the store is full")
    if error.errno in EXHAUSTED:
        return StoreBusy(os.strerror(error.errno))
    return StoreError(os.strerror(error.errno or errno.EIO))


class _Translating:
    """A context that turns an `OSError` into a `StoreError`; all callers share one instance."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Enter the context."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Translate an `OSError`; do not change other errors."""
        if isinstance(error, OSError):
            raise as_store_error(error) from error


translating = _Translating()
