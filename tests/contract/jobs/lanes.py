"""Lanes, handlers and engines that tests can look into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.servers.jobs import effect
from wharf_upload.domain.jobs import Done, Effects, Job, Lane, Outcome, Turn, Waits
from wharf_upload.jobs.handlers import Fence
from wharf_upload.jobs.runner import Runner

LANE = Lane(name="test", lease_seconds=60, window=4, at_once=4, tries=3, waits=Waits(0.0))


@dataclass
class Recording:
    """A handler that does what `work` does; `Done` has an effect that `effects_of` counts."""

    work: Callable[[Job, Fence], Outcome | None] = lambda _job, _fence: None
    ran: list[Job] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)

    def run(self, job: Job, fence: Fence) -> Outcome:
        """Record the job and work; without an outcome, the job is done with its effect."""
        self.ran.append(job)
        return self.work(job, fence) or Done(effect(job))

    def gave_up(self, job: Job, why: str) -> Effects | None:
        """Record the reason."""
        self.given_up.append(why)
        return effect(job)


@dataclass
class KeepingEngine:
    """An engine that keeps the turns, until `run` runs them in the calling thread."""

    turns: list[Turn] = field(default_factory=list)

    def submit(self, _: str, turns: Sequence[Turn]) -> None:
        """Keep the turns."""
        self.turns += turns

    def stop(self, _: float) -> list[Turn]:
        """Return the turns that did not begin."""
        return self.turns

    def run(self, runner: Runner) -> int:
        """Run the kept turns; return their number."""
        turns, self.turns = self.turns, []
        for turn in turns:
            runner.run(turn)
        return len(turns)
