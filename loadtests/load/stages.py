"""The shapes of load: the number of users at each second, and the thresholds of each shape."""

from __future__ import annotations

from dataclasses import dataclass

LARGE_BYTES = 64 << 20


@dataclass(frozen=True)
class Thresholds:
    """The limits that a run has to keep. `None` means that a value is not judged.

    `failure_ratio` is the part of the quiet tenants' requests that may fail. `p99_milliseconds`
    applies to each kind of small request. `requests_per_second` is the least rate of the quiet
    tenants together.
    """

    failure_ratio: float
    p99_milliseconds: float | None = None
    requests_per_second: float | None = None


@dataclass(frozen=True)
class Stage:
    """A number of users for a number of seconds, after the previous stage."""

    seconds: float
    users: int


@dataclass(frozen=True)
class Plan:
    """A shape; with `until_complete` the shape continues until each kind of request succeeded."""

    stages: tuple[Stage, ...]
    thresholds: Thresholds
    until_complete: bool = False
    spawn_rate: float = 20.0
    large_bytes: int = LARGE_BYTES

    @property
    def seconds(self) -> float:
        """Return the duration of all stages in seconds."""
        return sum(stage.seconds for stage in self.stages)

    def scaled(self, *, users: int | None, seconds: float | None) -> Plan:
        """Return the same shape with another largest number of users or another duration."""
        top = max(stage.users for stage in self.stages)
        wider = 1 if users is None else users / top
        longer = 1 if seconds is None else seconds / self.seconds
        stages = tuple(
            Stage(stage.seconds * longer, max(1, round(stage.users * wider)))
            for stage in self.stages
        )
        return Plan(stages, self.thresholds, self.until_complete, self.spawn_rate, self.large_bytes)

    def users_at(self, second: float, *, complete: bool = True) -> int | None:
        """Return the number of users at a second, `None` after the end.

        `complete` tells whether each kind of request succeeded. A shape with `until_complete`
        waits for this, but no longer than `PATIENCE_SECONDS`.
        """
        end = 0.0
        for stage in self.stages:
            end += stage.seconds
            if second < end:
                return stage.users
        if self.until_complete and not complete and second < PATIENCE_SECONDS:
            return self.stages[-1].users
        return None


SHAPES = {
    # A test that everything works. It judges no time, since it runs in CI on busy machines.
    "smoke": Plan((Stage(12, 16),), Thresholds(0.0), until_complete=True, large_bytes=3 << 20),
    # An ordinary day.
    "average": Plan((Stage(30, 20), Stage(270, 40)), Thresholds(0.001, 500, 40)),
    # More users step by step, to find the load at which Wharf becomes slow.
    "stress": Plan(
        (Stage(60, 40), Stage(60, 80), Stage(60, 160), Stage(60, 240), Stage(30, 40)),
        Thresholds(0.01, 2000, 80),
    ),
    # An ordinary day for two hours, to find leaks, growth and expired tokens.
    "soak": Plan((Stage(60, 20), Stage(7140, 40)), Thresholds(0.0001, 500, 40)),
}
#: The thresholds of a run without a shape.
USUAL = Thresholds(0.001)
#: The longest time in seconds that a shape continues for a kind of request that did not succeed.
PATIENCE_SECONDS = 120.0
