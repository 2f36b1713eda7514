"""The dispatcher: which jobs it takes, and in which order."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from servicekit.database import Database
from tests.contract.jobs.lanes import LANE, KeepingEngine, Recording
from tests.servers.jobs import add
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.jobs import Turn
from wharf_upload.jobs.dispatcher import LaneDispatcher
from wharf_upload.jobs.engine import EngineUnavailable
from wharf_upload.jobs.handlers import LaneOfJobs
from wharf_upload.jobs.runner import Runner


class _Lane:
    """A lane with a dispatcher, and an engine that runs its turns when the test says so."""

    def __init__(self, records: SqlRecords, **windows: int) -> None:
        self.engine, self.handler = KeepingEngine(), Recording()
        self._runner = Runner(records.jobs, {"test": LaneOfJobs(LANE, self.handler)})
        self.dispatcher = LaneDispatcher(records.jobs, LANE, self.engine, lambda _: windows)

    def turn(self) -> list[str]:
        """Run a turn and its jobs; return their subjects."""
        self.dispatcher.turn()
        known = len(self.handler.ran)
        self.engine.run(self._runner)
        return [job.subject for job in self.handler.ran[known:]]


def test_one_share(records: SqlRecords) -> None:
    """A single share gets all room of the lane, the oldest jobs first, until none is left."""
    for number in range(6):
        add(records, str(number))
    lane = _Lane(records)
    assert sorted(lane.turn()) == ["0", "1", "2", "3"]
    assert sorted(lane.turn()) == ["4", "5"]
    assert lane.turn() == []


def test_the_room_of_the_lane(records: SqlRecords) -> None:
    """A lane takes no job while `at_once` of its jobs are taken."""
    add(records, *map(str, range(9)))
    lane = _Lane(records)
    assert lane.dispatcher.turn()
    assert not lane.dispatcher.turn()
    assert len(lane.engine.turns) == LANE.at_once


def test_the_window_of_a_share(records: SqlRecords) -> None:
    """A share with a smaller window has no more jobs taken, over several turns."""
    add(records, *map(str, range(9)), share="slow")
    lane = _Lane(records, slow=1)
    lane.dispatcher.turn()
    lane.dispatcher.turn()
    assert len(lane.engine.turns) == 1


def test_a_share_with_many_jobs(records: SqlRecords) -> None:
    """A share with one job runs it in the next turn, however many jobs another share has."""
    add(records, *(f"many-{number}" for number in range(300)), share="a")
    lane = _Lane(records)
    lane.turn()
    add(records, "one", share="b")
    assert "one" in lane.turn()


def test_more_shares_than_room(records: SqlRecords) -> None:
    """With more shares than room in the lane, the next turns continue with the other shares."""
    for share in range(12):
        add(records, f"{share}", f"{share}", share=f"share-{share:02}")
    lane = _Lane(records)
    ran = [subject for _ in range(3) for subject in lane.turn()]
    assert Counter(ran) == {str(share): 1 for share in range(12)}


def test_more_shares_than_a_page(records: SqlRecords) -> None:
    """A lane with more shares than a page runs the jobs of all of them."""
    for share in range(70):
        add(records, f"{share}", share=f"share-{share:02}")
    lane = _Lane(records)
    ran = [subject for _ in range(25) for subject in lane.turn()]
    assert sorted(ran) == sorted(map(str, range(70)))


def test_shares_that_are_not_due(records: SqlRecords) -> None:
    """Shares whose jobs wait for a later time do not hide a share that is due."""
    for share in range(70):
        add(records, "later", share=f"a-{share:02}", after_seconds=3600)
    add(records, "due", share="b")
    lane = _Lane(records)
    ran = []
    while lane.dispatcher.turn():
        ran += lane.turn()
    assert [*ran, *lane.turn()] == ["due"]


def test_an_expired_lease(records: SqlRecords, database: Database) -> None:
    """A job whose worker died runs again when its lease has expired."""
    add(records, "file-1")
    lane = _Lane(records)
    lane.dispatcher.turn()
    lane.engine.turns.clear()
    assert lane.turn() == []
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET lease_until = 1")
    assert lane.turn() == ["file-1"]
    assert lane.handler.ran[0].turn == 2


def test_an_engine_that_refuses(records: SqlRecords) -> None:
    """Jobs that the engine does not accept wait again, without a counted try."""

    class _Refusing(KeepingEngine):
        def submit(self, _: str, turns: object) -> None:
            raise EngineUnavailable("Redis does not respond")

    add(records, "file-1")
    dispatcher = LaneDispatcher(records.jobs, LANE, _Refusing())
    with pytest.raises(EngineUnavailable):
        dispatcher.turn()
    (kept,) = records.kept_jobs.jobs(limit=5)
    assert (kept.turn, kept.tries, kept.lease_until) == (1, 0, None)


def test_a_wider_lane(records: SqlRecords) -> None:
    """A share takes at most its window, even when the lane has more room."""
    add(records, *map(str, range(9)))
    engine = KeepingEngine()
    LaneDispatcher(records.jobs, msgspec.structs.replace(LANE, at_once=8), engine).turn()
    assert len(engine.turns) == LANE.window
    assert all(isinstance(turn, Turn) for turn in engine.turns)


def _taken_after_a_turn(records: SqlRecords, dispatcher: LaneDispatcher) -> Counter[str]:
    """Run a turn; return how many jobs of each share are taken then."""
    dispatcher.turn()
    return Counter(records.jobs.taken("test"))


def test_a_tenant_with_many_shares(records: SqlRecords) -> None:
    """A tenant with 20 busy shares leaves half the lane, where another tenant's job finds room."""
    for share in range(20):
        add(records, *map(str, range(5)), tenant="a", share=f"a/{share:02}")
    wide = msgspec.structs.replace(LANE, at_once=32)
    dispatcher = LaneDispatcher(records.jobs, wide, KeepingEngine())
    for _ in range(5):
        assert _taken_after_a_turn(records, dispatcher).total() <= 16
    assert Counter(records.jobs.taken("test")).total() == 16
    add(records, "one", tenant="b", share="b/0")
    assert _taken_after_a_turn(records, dispatcher)["b/0"] == 1


def test_a_newcomer_beside_busy_tenants(records: SqlRecords) -> None:
    """Busy tenants leave places, so that the job of one more tenant is taken in the next turn."""
    wide = msgspec.structs.replace(LANE, at_once=32)
    dispatcher = LaneDispatcher(records.jobs, wide, KeepingEngine())
    for tenant in "abc":
        for share in range(20):
            add(records, *map(str, range(5)), tenant=tenant, share=f"{tenant}/{share:02}")
        for _ in range(5):
            dispatcher.turn()
    add(records, "one", tenant="d", share="d/0")
    assert _taken_after_a_turn(records, dispatcher)["d/0"] == 1


def test_a_tenant_in_a_lane_for_one_job(records: SqlRecords) -> None:
    """A lane that runs one job at a time takes a job of a tenant with several shares."""
    add(records, "0", share="a/0")
    add(records, "1", share="a/1")
    narrow = msgspec.structs.replace(LANE, at_once=1)
    dispatcher = LaneDispatcher(records.jobs, narrow, KeepingEngine())
    assert _taken_after_a_turn(records, dispatcher).total() == 1


def test_pages_that_are_not_due(records: SqlRecords) -> None:
    """One turn takes the due job of a share after 200 shares that wait for a later time."""
    for share in range(200):
        add(records, "later", share=f"a-{share:03}", after_seconds=3600)
    add(records, "due", share="b")
    assert _Lane(records).turn() == ["due"]


def test_pages_of_shares_without_room(records: SqlRecords) -> None:
    """One turn takes the job of a share after 100 due shares of a tenant that has its part."""
    for share in range(100):
        add(records, "0", "1", tenant="a", share=f"a/{share:03}")
    wide = msgspec.structs.replace(LANE, at_once=32)
    dispatcher = LaneDispatcher(records.jobs, wide, KeepingEngine())
    dispatcher.turn()
    add(records, "one", tenant="b", share="b/0")
    assert _taken_after_a_turn(records, dispatcher)["b/0"] == 1


def test_shares_before_the_end_of_the_last_turn(records: SqlRecords) -> None:
    """A turn continues with the shares before its first one, if the last shares have no room."""
    engine = KeepingEngine()
    lane = msgspec.structs.replace(LANE, at_once=3, window=1)
    dispatcher = LaneDispatcher(records.jobs, lane, engine)
    for share in "bcd":
        add(records, "0", "1", share=share)
    records.jobs.take("test", {"d": 1}, 60)
    assert _taken_after_a_turn(records, dispatcher) == {"b": 1, "c": 1, "d": 1}
    jobs = [records.jobs.begin(turn) for turn in engine.turns]
    (ended,) = (job for job in jobs if job and job.share == "b")
    records.jobs.done(ended)
    records.kept_jobs.drop(
        ids=[job.id for job in records.kept_jobs.jobs(limit=9) if job.share == "b"]
    )
    add(records, "0", share="a")
    assert _taken_after_a_turn(records, dispatcher) == {"a": 1, "c": 1, "d": 1}
