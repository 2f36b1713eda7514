"""The contract between a lane's handler and the runner that calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from wharf_upload.domain.jobs import Effects, Job, Lane, Outcome

# Returns the windows of shares that are smaller than the window of their lane.
Windows = Callable[[Sequence[str]], Mapping[str, int]]


class Fence(Protocol):
    """The hold of a handler on its job: the lease of its turn, which another thread renews."""

    def check(self) -> None:
        """Raise `TurnLost` if the turn is over; a long handler calls this between its steps."""


class Handler(Protocol):
    """Does the work of the jobs of one lane."""

    def run(self, job: Job, fence: Fence) -> Outcome:
        """Do the work; any error that is raised counts as a failed try.

        Changes of rows belong into the effects of the outcome: they are made in the commit that
        ends the job, or not at all. Effects outside the database may happen more than once.
        """

    def gave_up(self, job: Job, why: str) -> Effects | None:
        """Return the effects of a job that dies because its tries are used up."""


def same_windows(_: Sequence[str]) -> Mapping[str, int]:
    """Return no windows: all shares have the window of their lane."""
    return {}


class LaneOfJobs:
    """A lane and the handler of its jobs; `windows` may give single shares a smaller window."""

    __slots__ = ("handler", "lane", "windows")

    def __init__(self, lane: Lane, handler: Handler, windows: Windows = same_windows) -> None:
        self.lane, self.handler, self.windows = lane, handler, windows
