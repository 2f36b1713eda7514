"""Retries of actions that fail because of a store or the database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from servicekit.database import DatabaseUnavailable
from wharf_upload.storage.base import BlobMissing, StoreError, StoreFull

log = logging.getLogger(__name__)
# The pauses between tries, in seconds. Together they are longer than a restart of a store or of the
# database takes.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_T = TypeVar("_T")


class Patience:
    """Runs actions with retries after the pauses (in seconds), until `ended` is set."""

    def __init__(self, ended: threading.Event, pauses: tuple[float, ...] = PAUSES) -> None:
        self._ended, self._pauses = ended, pauses

    def run(self, action: Callable[[], _T]) -> _T:
        """Return the result of the action.

        Raises:
            StoreError: the last try has failed; `BlobMissing` and `StoreFull` are not retried.
            DatabaseUnavailable: the last try has failed.
        """
        for pause in self._pauses:
            try:
                return action()
            except (BlobMissing, StoreFull):
                raise
            except (DatabaseUnavailable, StoreError) as error:
                log.warning("will retry in %s s: %s", pause, error)
            if self._ended.wait(pause):
                break
        return action()
