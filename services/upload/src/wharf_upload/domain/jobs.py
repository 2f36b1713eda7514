"""Jobs: work that the service does after the commit that asks for it.

A job is a row. A worker takes the row for a limited time, its lease, and each taking is a new turn
of the job. Only the newest turn can end the job, so the effects of a job happen once, even if its
handler runs more than once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from wharf_upload.domain.refusals import Refused


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to add; it may run `after_seconds` after the commit that adds it.

    `share` is what the lane is fair between: the tenant, or an endpoint of webhooks. `subject` is
    what the job is about, for example the id of a file.
    """

    lane: str
    tenant: str
    subject: str
    share: str = ""
    after_seconds: float = 0.0


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job that this process runs; `turn` counts how often the job was taken, `tries` the tries.

    `created_at` is in unix milliseconds.
    """

    id: str
    lane: str
    share: str
    tenant: str
    subject: str
    turn: int
    tries: int
    created_at: int


class Turn(NamedTuple):
    """A job that was taken for a handler: its id, and the number of the turn."""

    id: str
    turn: int


class WaitingShare(msgspec.Struct, frozen=True):
    """A share with waiting jobs, and how long its first job is due; below 0, none is due yet."""

    share: str
    due_seconds: float


class KeptJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job as operators see it; times are unix milliseconds.

    `lease_until` is `None` unless the job is taken, and `died_at` is `None` unless the job is dead.
    `error` says why the last try failed.
    """

    id: str
    lane: str
    share: str
    tenant: str
    subject: str
    run_at: int
    turn: int
    tries: int
    created_at: int
    error: str
    lease_until: int | None = None
    died_at: int | None = None


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs of a lane wait, are taken, and are dead.

    `oldest_seconds` is the time for which the oldest job that is due has waited, 0 if none is due.
    """

    waiting: int = 0
    taken: int = 0
    dead: int = 0
    oldest_seconds: float = 0.0


# The change of rows that a job makes when it ends, in the same commit; the database defines it.
Effects = Callable[..., Any]


class Done(msgspec.Struct, frozen=True):
    """The job is done."""

    effects: Effects | None = None


class Again(msgspec.Struct, frozen=True):
    """The job must run again after a number of seconds, because of `why`.

    `None` seconds means the lane's own wait. With `counts` false the run is no try: the job never
    dies of such runs.
    """

    after_seconds: float | None
    why: str
    counts: bool = True
    effects: Effects | None = None


class Dead(msgspec.Struct, frozen=True):
    """The job must not run again, because of `why`, unless an operator retries the job."""

    why: str
    effects: Effects | None = None


Outcome = Done | Again | Dead


class Waits(msgspec.Struct, frozen=True):
    """The seconds between two tries: `first`, then `factor` times the last wait, at most `most`."""

    first: float
    factor: float = 1.0
    most: float = 3600.0

    def after(self, tries: int) -> float:
        """Return the seconds to wait after a number of tries, 1 or more."""
        # A large power of a factor is more than a float has.
        power = min(tries - 1, 64)
        return float(min(self.first * self.factor**power, self.most))


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """The rules for jobs of one kind.

    `lease_seconds` is how long a handler has before another worker may take the job; handlers that
    live renew the lease. `window` is the largest number of taken jobs of one share, `at_once` of
    all shares. After `tries` tries a job is dead.
    """

    name: str
    lease_seconds: float
    window: int
    at_once: int
    tries: int
    waits: Waits


class TurnLost(Refused):
    """The turn is over: the job was taken again, has ended, or was dropped; nothing was changed."""
