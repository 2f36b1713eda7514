"""Tests of a move of blobs apart from its stores: the lease, the pace, batches and messages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.database.contract import SharedLease
from wharf_upload.maintenance import blobs_left, moving_blobs
from wharf_upload.maintenance.blobs_left import Left
from wharf_upload.maintenance.move_progress import MoveProgress
from wharf_upload.maintenance.moving_blobs import AlreadyMovingError, Moved, take_turn
from wharf_upload.maintenance.pace import Pace
from wharf_upload.maintenance.patience import Patience
from wharf_upload.storage.base import BlobName, Found, StoreError


def test_the_pace() -> None:
    """The pace limits the bytes per second of all threads together.

    Without a rate the pace does not wait.
    """
    slept: list[float] = []
    pace = Pace(1000, clock=lambda: 7.0, sleep=slept.append)
    for _ in range(3):
        pace.passed(500)
    Pace(None, sleep=slept.append).passed(1 << 40)
    assert slept == [0.5, 1.0, 1.5]


def test_the_last_try() -> None:
    """When the run ends, a failed action is tried once more, without a pause."""
    ended, tries = threading.Event(), list[int]()

    def action() -> int:
        tries.append(len(tries))
        if len(tries) == 1:
            raise StoreError("away")
        return 7

    ended.set()
    assert (Patience(ended, (3600.0, 3600.0)).run(action), tries) == (7, [0, 1])


class Leases:
    """One lease, which another process has for some time."""

    def __init__(self, refusals: int) -> None:
        self._refusals = refusals

    def take(
        self, name: str, wanted: Callable[[], None], *, ask: bool = True
    ) -> SharedLease | None:
        """Return the lease once the other process has released it; the caller must not ask."""
        assert (name, ask) == ("move-blobs", False)
        wanted()
        self._refusals -= 1
        return None if self._refusals >= 0 else Lease()

    def holds(self, name: str) -> bool:
        """Return False; the test does not call this method."""
        return False

    def forget_old(self) -> int:
        """Return 0; the test does not call this method."""
        return 0


class Lease:
    """A lease that is always valid."""

    was_elsewhere = False

    def is_held(self) -> bool:
        """Return True."""
        return True

    def release(self) -> None:
        """Do nothing."""


def test_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run waits for the lease of a killed run; it fails if another run keeps the lease."""
    slept: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: 7.0 + len(slept), sleep=slept.append)
    monkeypatch.setattr(moving_blobs, "time", clock)
    assert isinstance(take_turn(Leases(2)), Lease)
    assert slept == [0.2] * 2
    slept.clear()
    with pytest.raises(AlreadyMovingError, match=r"^another move-blobs is at work$"):
        take_turn(Leases(1 << 30), seconds=3)
    assert slept == [0.2] * 3


@given(st.lists(st.sampled_from([0, 1, 1 << 20, 1 << 29, (1 << 30) - 1, 1 << 30, 1 << 31])))
def test_batches(sizes: list[int]) -> None:
    """Batches have all blobs in order. Each batch except the last ends when it has at least a
    GiB.
    """
    found = [Found(BlobName("demo", f"{n:032x}"), size, 0.0) for n, size in enumerate(sizes)]
    size_of = {one.name: one.size for one in found}
    made = list(blobs_left.batches(iter(found)))
    assert [name for batch in made for name in batch] == list(size_of)
    for number, batch in enumerate(made):
        size = sum(size_of[name] for name in batch)
        assert size - size_of[batch[-1]] < 1 << 30
        assert size >= 1 << 30 or number == len(made) - 1


@pytest.mark.parametrize(
    ("count", "sizes"), [(199, [199]), (200, [200]), (401, [200, 200, 1]), (0, [])]
)
def test_batches_of_small_blobs(count: int, sizes: list[int]) -> None:
    """A batch has at most 200 blobs."""
    found = (Found(BlobName("demo", f"{number:032x}"), 1, 0.0) for number in range(count))
    assert [len(batch) for batch in blobs_left.batches(found)] == sizes


def test_progress() -> None:
    """A line is shown every ten seconds, however many blobs are moved."""
    said: list[str] = []
    seconds = iter(range(25))
    progress = MoveProgress(Left(40, 4000), said.append, clock=lambda: next(seconds))
    for number in range(24):
        progress.show(Moved(number, number * 100, number // 2))
    assert said == [
        "copied: 9 of 40 files, 900 of 4000 bytes; removed from the old place: 4 files",
        "copied: 19 of 40 files, 1900 of 4000 bytes; removed from the old place: 9 files",
    ]


@pytest.mark.parametrize(
    ("left", "faults", "said"),
    [
        (Left(), 0, "nothing is left in the old place: remove WHARF_BLOB_OLD_URL and restart"),
        (
            Left(2, 9, 1),
            2,
            (
                "2 files could not be moved: keep WHARF_BLOB_OLD_URL, restore or delete them "
                "(`wharf-upload check --read-all` names them), and run move-blobs again"
            ),
        ),
        (
            Left(2, 9),
            0,
            (
                "2 new files are in the old place: a process has other settings; "
                "restart it, and run move-blobs again"
            ),
        ),
        (
            Left(0, 0, 3),
            0,
            (
                "3 blobs without a file are left. The worker removes them: those of "
                "deleted files soon, others after WHARF_LEASE_SECONDS. Wait until move-blobs "
                "--dry-run finds none, then remove WHARF_BLOB_OLD_URL and restart"
            ),
        ),
    ],
)
def test_advice(left: Left, faults: int, said: str) -> None:
    """The last line states what to do next."""
    assert blobs_left.advice(left, faults=faults) == said


def test_what_is_left_in_words() -> None:
    """The text names blobs without files only if there are any."""
    assert str(Left(2, 9)) == "2 files, 9 bytes"
    assert str(Left(2, 9, 3)) == "2 files, 9 bytes, and 3 blobs without a file"
