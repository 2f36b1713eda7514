"""Takes due jobs, share after share, and hands them to an engine.

Fairness is by rotation: a turn of a lane goes through the shares from the end of the last turn, and
gives each of them a part of the lane's room. So the number of jobs of one share has no effect on
the wait of another share. `LaneRoom` limits tenants with several shares.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence

from servicekit.database import DatabaseUnavailable
from wharf_upload.database.job_contract import JobRecords
from wharf_upload.domain.jobs import Lane
from wharf_upload.jobs import job_metrics
from wharf_upload.jobs.engine import Engine, EngineUnavailable
from wharf_upload.jobs.handlers import Windows, same_windows
from wharf_upload.jobs.lane_room import LaneRoom

log = logging.getLogger(__name__)
_SHARES_A_PAGE, _PAGES_A_TURN = 32, 100
_BUSY_SECONDS, _IDLE_SECONDS, _RETRY_SECONDS = 0.05, 1.0, 1.0


class LaneDispatcher:
    """Takes the jobs of one lane; `windows` may give single shares a smaller window.

    With `ends_elsewhere`, jobs run in another process, which does not wake the dispatcher when a
    job ends: while jobs are taken, the dispatcher looks for room after short waits.
    """

    def __init__(
        self,
        records: JobRecords,
        lane: Lane,
        engine: Engine,
        windows: Windows = same_windows,
        *,
        ends_elsewhere: bool = False,
    ) -> None:
        self._records, self.lane, self._engine, self._windows = records, lane, engine, windows
        self._ends_elsewhere = ends_elsewhere
        self._after = ""

    def turn(self) -> bool:
        """Take due jobs that have room; return whether there may be more to take immediately.

        Raises `DatabaseUnavailable` and `EngineUnavailable`.
        """
        lost = self._records.put_back(self.lane.name)
        if lost:
            job_metrics.lost_leases.note(((self.lane.name,), lost))
        taken = self._records.taken(self.lane.name)
        awaits = self._ends_elsewhere and bool(taken)
        room = LaneRoom(self.lane, taken)
        if room.free <= 0:
            return awaits
        rooms = self._rooms(room)
        turns = self._records.take(self.lane.name, rooms, self.lane.lease_seconds)
        if turns:
            try:
                self._engine.submit(self.lane.name, turns)
            except EngineUnavailable:
                self._records.release(turns)
                raise
        # The turn has ended in the middle of the shares if there is a share to continue after.
        return awaits or bool(turns) or bool(self._after)

    def _rooms(self, room: LaneRoom) -> dict[str, int]:
        """Return how many jobs to take of each share, until the lane has no room."""
        rooms: dict[str, int] = {}
        for page in self._pages():
            due = [share for share in page if room.of(share)]
            windows = self._windows(due)
            for number, share in enumerate(due):
                part = max(1, room.free // (len(due) - number))
                rooms[share] = min(part, room.of(share, windows.get(share)))
                room.note(share, rooms[share])
                if room.free <= 0:
                    self._after = share
                    return rooms
        return rooms

    def _pages(self) -> Iterator[list[str]]:
        """Yield the due shares in pages: once around, from the share after the last turn's end.

        Afterwards the next turn begins with the first share. After many pages, the turn ends, and
        the next one continues.
        """
        first, is_second_part = self._after, not self._after
        for _ in range(_PAGES_A_TURN):
            page = self._records.waiting_shares(self.lane.name, self._after, _SHARES_A_PAGE)
            if first and is_second_part:
                page = [share for share in page if share.share <= first]
            yield [share.share for share in page if share.due_seconds >= 0]
            is_last = len(page) < _SHARES_A_PAGE
            self._after = "" if is_last else page[-1].share
            if is_last and is_second_part:
                return
            is_second_part = is_second_part or is_last


class Dispatcher:
    """Runs the dispatchers of all lanes in one thread; `is_ours` tells whether it is its turn.

    `wake` may be called by any thread when there may be something to take. `is_active` tells
    whether the last turn was this process's.
    """

    def __init__(self, lanes: Sequence[LaneDispatcher], is_ours: Callable[[], bool]) -> None:
        self._lanes, self._is_ours = lanes, is_ours
        self.is_active = False
        self._woken = threading.Event()

    def wake(self) -> None:
        """End the wait before the next turn."""
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Dispatch until `stop` is set."""
        wait = _BUSY_SECONDS
        while not stop.is_set():
            try:
                self.is_active = self._is_ours()
                is_busy = self.is_active and self._turn()
                # An idle dispatcher slows down step by step.
                wait = _BUSY_SECONDS if is_busy else min(_IDLE_SECONDS, 2 * wait)
            except (DatabaseUnavailable, EngineUnavailable) as error:
                log.warning("jobs will be dispatched later: %s", error)
                wait = _RETRY_SECONDS
            except Exception:
                log.exception("jobs will be dispatched later")
                wait = _RETRY_SECONDS
            self._woken.wait(wait)
            self._woken.clear()

    def _turn(self) -> bool:
        """Run a turn of each lane; one lane's error does not stop the others."""
        busy, errors = False, []
        for lane in self._lanes:
            try:
                busy = lane.turn() or busy
            except EngineUnavailable as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return busy
