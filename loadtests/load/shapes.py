"""Locust's load shapes, one for each plan in `stages.py`."""

from __future__ import annotations

from locust import LoadTestShape

from loadtests.load.kinds import EXPECTED
from loadtests.load.selection import is_everything
from loadtests.load.stages import SHAPES, Plan


class PlannedShape(LoadTestShape):
    """A shape that follows a plan, second by second. `--users` and `--run-time` scale the plan."""

    abstract = True
    use_common_options = True
    plan: Plan
    #: Whether the tenants are being created. The shape begins after that.
    is_waiting = False

    def scale(self, users: int | None, seconds: float | None) -> None:
        """Use another largest number of users, or another duration in seconds."""
        self.plan = self.plan.scaled(users=users, seconds=seconds)

    def tick(self) -> tuple[int, float] | None:
        """Return the number of users now and their spawn rate, `None` at the end."""
        second: float = 0.0 if self.is_waiting else self.get_run_time()  # type: ignore[no-untyped-call]
        count = self.plan.users_at(second, complete=self._is_complete())
        return None if count is None else (count, self.plan.spawn_rate)

    def _is_complete(self) -> bool:
        assert self.runner
        if not is_everything(self.runner.environment):
            return True
        entries = self.runner.stats.entries.values()
        return {one.name for one in entries if one.num_requests > one.num_failures} >= EXPECTED


class Smoke(PlannedShape):
    """A shape that waits until each kind of request has succeeded, for at most two minutes."""

    plan = SHAPES["smoke"]


class Average(PlannedShape):
    """An ordinary day: five minutes, 20 and then 40 users."""

    plan = SHAPES["average"]


class Stress(PlannedShape):
    """Up to 240 users, step by step."""

    plan = SHAPES["stress"]


class Soak(PlannedShape):
    """An ordinary day for two hours."""

    plan = SHAPES["soak"]
