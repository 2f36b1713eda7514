"""Takes due jobs, share after share, and hands them to an engine.

Fairness is by rotation: a turn of a lane reads the next shares after those of the last turn, and
gives each of them a part of the lane's room. So the number of jobs of one share has no effect on
the wait of another share. A tenant with several shares gets at most half the lane.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from servicekit.database import DatabaseUnavailable
from wharf_upload.database.job_contract import JobRecords
from wharf_upload.domain.jobs import Lane
from wharf_upload.jobs import job_metrics
from wharf_upload.jobs.engine import Engine, EngineUnavailable
from wharf_upload.jobs.handlers import Windows, same_windows

log = logging.getLogger(__name__)
_SHARES_A_PAGE, _PAGES_A_TURN = 32, 100
_BUSY_SECONDS, _IDLE_SECONDS, _RETRY_SECONDS = 0.05, 1.0, 1.0


class LaneDispatcher:
    """Takes the jobs of one lane; `windows` may give single shares another window.

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
        free = self.lane.at_once - sum(taken.values())
        if free <= 0:
            return awaits
        rooms, is_last_page = self._rooms(free, taken)
        turns = self._records.take(self.lane.name, rooms, self.lane.lease_seconds)
        if turns:
            try:
                self._engine.submit(self.lane.name, turns)
            except EngineUnavailable:
                self._records.release(turns)
                raise
        return awaits or bool(turns) or not is_last_page

    def _rooms(self, free: int, taken: Mapping[str, int]) -> tuple[dict[str, int], bool]:
        """Return how many jobs to take of the next shares, and whether these were the last shares.

        The next turn continues after the last share that got room.
        """
        lane = self.lane
        due, end_of_page = self._due_page()
        windows = self._windows(due)
        tenants = _Tenants(lane, taken)
        rooms: dict[str, int] = {}
        for share in due:
            if free <= 0:
                return rooms, False
            window = windows.get(share, lane.window) - taken.get(share, 0)
            room = min(max(1, free // (len(due) - len(rooms))), window, tenants.room(share))
            self._after = share
            if room > 0:
                rooms[share] = room
                free -= room
                tenants.note(share, room)
        self._after = end_of_page
        return rooms, not end_of_page

    def _due_page(self) -> tuple[list[str], str]:
        """Return the due shares of the next page that has some, and the last share of the page.

        The last page ends with "". After many pages without a due share, the page is empty.
        """
        end = self._after
        for _ in range(_PAGES_A_TURN):
            found = self._records.waiting_shares(self.lane.name, end, _SHARES_A_PAGE)
            end = found[-1].share if len(found) == _SHARES_A_PAGE else ""
            due = [share.share for share in found if share.due_seconds >= 0]
            if due or not end:
                return due, end
        return [], end


class _Tenants:
    """The jobs of tenants whose shares are named `tenant/part`; other shares have a window only.

    Such a tenant has many shares, so their windows together may exceed the lane. It gets at most
    half the lane, so that a job of another tenant finds room.
    """

    def __init__(self, lane: Lane, taken: Mapping[str, int]) -> None:
        self._at_once, self._most = lane.at_once, max(1, lane.at_once // 2)
        self._taken: Counter[str] = Counter()
        for share, number in taken.items():
            self.note(share, number)

    def note(self, share: str, number: int) -> None:
        """Count jobs of a share as taken."""
        self._taken[share.rpartition("/")[0]] += number

    def room(self, share: str) -> int:
        """Return how many more jobs the tenant of a share may have."""
        tenant = share.rpartition("/")[0]
        return self._most - self._taken[tenant] if tenant else self._at_once


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
