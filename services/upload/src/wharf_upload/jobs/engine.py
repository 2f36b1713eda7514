"""The contract of an engine, which calls the runner for the jobs that the dispatcher took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wharf_upload.domain.jobs import Turn


class EngineUnavailable(Exception):
    """The engine cannot accept jobs now, for example because its Redis does not respond."""


class Engine(Protocol):
    """Calls the runner; it may lose turns, because the rows of jobs are the truth."""

    def submit(self, lane: str, turns: Sequence[Turn]) -> None:
        """Accept turns, without waiting for them to end; raises `EngineUnavailable`."""

    def stop(self, wait_seconds: float) -> list[Turn]:
        """Begin no more jobs, and wait for those that run here, at most `wait_seconds` in all.

        Return the turns that did not begin and that no other process will begin.
        """
