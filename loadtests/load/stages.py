"""The shapes of load: how many users at which second, and what must hold at the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """What fails a run when it is missed; `None` is not looked at.

    `failure_ratio` is the part of the quiet tenants' requests that may fail; `p99_milliseconds`
    holds for each kind of small request; `requests_per_second` is a floor under the quiet tenants'
    rate.
    """

    failure_ratio: float
    p99_milliseconds: float | None = None
    requests_per_second: float | None = None


@dataclass(frozen=True)
class Stage:
    """From the end of the stage before, for so many seconds, so many users."""

    seconds: float
    users: int


@dataclass(frozen=True)
class Plan:
    """A shape. `until_complete`: it goes on until each kind of request was made, for a while."""

    stages: tuple[Stage, ...]
    thresholds: Thresholds
    until_complete: bool = False
    spawn_rate: float = 20.0
    large_bytes: int = 64 << 20

    @property
    def seconds(self) -> float:
        """How long all stages take."""
        return sum(stage.seconds for stage in self.stages)

    def scaled(self, *, users: int | None, seconds: float | None) -> Plan:
        """The same shape with another number of users at its top, or another duration."""
        top = max(stage.users for stage in self.stages)
        wider = 1 if users is None else users / top
        longer = 1 if seconds is None else seconds / self.seconds
        stages = tuple(
            Stage(stage.seconds * longer, max(1, round(stage.users * wider)))
            for stage in self.stages
        )
        return Plan(stages, self.thresholds, self.until_complete, self.spawn_rate, self.large_bytes)

    def users_at(self, second: float) -> int | None:
        """How many users; `None` after the end."""
        end = 0.0
        for stage in self.stages:
            end += stage.seconds
            if second < end:
                return stage.users
        return None


SHAPES = {
    # Does everything work? No time is judged: it runs in CI, on machines that are busy.
    "smoke": Plan((Stage(12, 16),), Thresholds(0.0), until_complete=True, large_bytes=3 << 20),
    # An ordinary day.
    "average": Plan((Stage(30, 20), Stage(270, 40)), Thresholds(0.001, 500, 40)),
    # More and more: where does it bend?
    "stress": Plan(
        (Stage(60, 40), Stage(60, 80), Stage(60, 160), Stage(60, 240), Stage(30, 40)),
        Thresholds(0.01, 2000, 80),
    ),
    # An ordinary day for long: leaks, growth, expired tokens.
    "soak": Plan((Stage(60, 20), Stage(7140, 40)), Thresholds(0.0001, 500, 40)),
}
#: How long a shape goes on at most for a kind of request that was not made yet.
PATIENCE_SECONDS = 120.0
