"""Tries again what a store or the database could not do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from servicekit.database import DatabaseUnavailable
from wharf_upload.storage.base import BlobMissing, StoreError, StoreFull

log = logging.getLogger(__name__)
# Between two tries, in seconds: what restarts is back by then.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_T = TypeVar("_T")


class Patience:
    """Runs actions, each again after the pauses (in seconds), until `ended` is set."""

    def __init__(self, ended: threading.Event, pauses: tuple[float, ...] = PAUSES) -> None:
        self._ended, self._pauses = ended, pauses

    def run(self, action: Callable[[], _T]) -> _T:
        """Return what the action returns.

        Raises:
            StoreError: of the last try; at once for what is missing or does not fit.
            DatabaseUnavailable: of the last try.
        """
        for pause in self._pauses:
            try:
                return action()
            except (BlobMissing, StoreFull):
                raise
            except (DatabaseUnavailable, StoreError) as error:
                log.warning("tried again in %s s: %s", pause, error)
            if self._ended.wait(pause):
                break
        return action()
