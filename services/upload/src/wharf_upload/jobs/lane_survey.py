"""Reads the states of the lanes at regular intervals, for the metrics."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from servicekit.database import DatabaseUnavailable
from wharf_upload.database.job_contract import KeptJobs
from wharf_upload.domain.jobs import LaneState

log = logging.getLogger(__name__)
SECONDS, _FIRST_SECONDS = 15.0, 1.0
Publish = Callable[[Mapping[str, LaneState]], None]


class LaneSurvey:
    """Passes the states of lanes to `publish`, as long as this process is the dispatcher.

    Another dispatcher publishes its own states, so this process then publishes none.
    """

    def __init__(
        self, jobs: KeptJobs, lanes: Sequence[str], is_ours: Callable[[], bool], publish: Publish
    ) -> None:
        self._jobs, self._lanes, self._is_ours, self._publish = jobs, lanes, is_ours, publish

    def run(self, stop: threading.Event) -> None:
        """Survey until `stop` is set."""
        # The dispatcher's first turn shows whether this process is the dispatcher.
        while not stop.wait(_FIRST_SECONDS):
            try:
                self._look()
            except DatabaseUnavailable as error:
                log.warning("the states of jobs are not known: %s", error)
            except Exception:
                log.exception("the states of jobs are not known")
            stop.wait(SECONDS)

    def _look(self) -> None:
        is_ours = self._is_ours()
        self._publish({lane: self._jobs.state(lane) for lane in self._lanes} if is_ours else {})
