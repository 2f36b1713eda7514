"""The retries of requests, and a metric for each try."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from wharf_upload.storage.s3 import metrics
from wharf_upload.storage.s3.errors import Failure

log = logging.getLogger(__name__)

_TRIES = 3
_PAUSE_SECONDS = 0.1
Result = TypeVar("Result")
_sleep = time.sleep


class Patience(NamedTuple):
    """The timeout of a read, and the time after which no retry starts, in seconds."""

    read_seconds: float
    total_seconds: float


# Few threads serve clients. If the store does not respond, a small upload fails within ten seconds,
# including the removal of the object that it may have left.
SHORT = Patience(6.0, 1.0)
BRIEF = Patience(3.0, 0.5)
LONG = Patience(20.0, 60.0)


class ErrorCode(Exception):
    """An error response, for callers that handle its code."""

    def __init__(self, failure: Failure) -> None:
        """Store the code, and the failure for callers that do not handle the code."""
        super().__init__(failure.code)
        self.code, self.failure = failure.code, failure


def tried(
    operation: str,
    once: Callable[[], Result | Failure],
    patience: Patience,
    passing: tuple[str, ...] = (),
) -> Result:
    """Return the result of `once`, after retries if a retry may help.

    Raises `ErrorCode` for the codes in `passing`, and subclasses of `StoreError` for other
    failures.
    """
    until = time.monotonic() + patience.total_seconds
    number = 1
    while True:
        begun = time.perf_counter()
        result = once()
        if not isinstance(result, Failure):
            metrics.note(operation, metrics.OK, begun)
            return result
        metrics.note(operation, result.outcome, begun)
        if result.code in passing:
            raise ErrorCode(result)
        if not result.again or number == _TRIES or time.monotonic() >= until:
            break
        _sleep(_PAUSE_SECONDS * number)
        number += 1
    if result.outcome != metrics.MISSING:
        log.warning("%s: %s", operation, result.error)
    raise result.error
