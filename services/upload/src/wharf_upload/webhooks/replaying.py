"""The handler of replays in the lane `bulk`: events are delivered once more."""

from __future__ import annotations

from wharf_upload.database.webhook_contract import FanOutRecords
from wharf_upload.domain.jobs import Again, Done, Effects, Job, Outcome
from wharf_upload.jobs.handlers import Fence

# A step fills the room of an endpoint, whose deliveries then need some time.
_STEP_SECONDS = 1.0


class ReplayHandler:
    """Makes the deliveries of a replay, as many at a time as the endpoint has room for."""

    def __init__(self, fan_out: FanOutRecords) -> None:
        self._fan_out = fan_out

    def run(self, job: Job, fence: Fence) -> Outcome:
        """Make deliveries until the endpoint has no room, or the replay is over."""
        endpoint, _, replay = job.subject.rpartition("/")
        fence.check()
        if self._fan_out.replay_step(job.tenant, endpoint, replay):
            return Again(_STEP_SECONDS, "The replay goes on.", counts=False)
        return Done()

    def gave_up(self, job: Job, why: str) -> Effects | None:  # noqa: ARG002 -- part of the contract
        """Return no effect: an operator may retry the dead job, and the replay continues."""
        return None
