"""Tests of the progress notices that an upload sends while its bytes arrive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from servicekit.tokens import Principal
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.notices.messages import Progress
from wharf_upload.uploads.resumable import progress_notices
from wharf_upload.uploads.resumable.progress_notices import ProgressNotices
from wharf_upload.uploads.resumable.values import UploadSession

BEGIN = 1_795_000_000_000


@dataclass
class Uploads:
    """A process that receives uploads, and its two clocks, which the test sets."""

    told: list[Progress] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.notices = ProgressNotices(
            self.told.append, lambda: BEGIN + int(1000 * self.seconds), lambda: self.seconds
        )

    def session(self, offset: int = 0, upload: str = "u1", length: int | None = 1000) -> Any:
        """Return a request that sends bytes from an offset on."""
        made = Upload(
            id=upload,
            tenant="demo",
            subject="client-1",
            bucket="default",
            key="a",
            length=length,
            created_at=BEGIN,
            expires_at=BEGIN,
        )
        principal = Principal("demo", "client-1", frozenset(), "t1", 0)
        nothing = cast(Any, None)
        return self.notices.of(UploadSession(principal, made, nothing, nothing, offset))

    def offsets(self) -> list[int]:
        return [one.offset for one in self.told]


@pytest.fixture
def uploads() -> Uploads:
    return Uploads()


def test_what_is_told(uploads: Uploads) -> None:
    """A notice has the owner, place, offset, length, and the rate since the last notice."""
    session = uploads.session(offset=100)
    uploads.seconds = 0.5
    session.received(200)
    uploads.seconds = 1.5
    session.received(500)
    where = ("demo", "client-1", "u1", "default", "a")
    assert uploads.told == [Progress(*where, 300, 1000, 400), Progress(*where, 600, 1000, 300)]


def test_an_unknown_length_is_none(uploads: Uploads) -> None:
    """A notice of an upload whose length is unknown has no length."""
    uploads.seconds = 1.0
    uploads.session(length=None).received(10)
    assert uploads.told[0].length is None


def test_at_most_two_a_second(uploads: Uploads) -> None:
    """An upload sends at most two notices a second."""
    session = uploads.session()
    for number in range(1, 1001):
        uploads.seconds = number / 100
        session.received(number)
    assert len(uploads.told) == 20


def test_each_upload_has_its_own_two(uploads: Uploads) -> None:
    """Concurrent uploads do not use up each other's two notices a second."""
    sessions = [uploads.session(upload=f"u{number}") for number in range(3)]
    uploads.seconds = 0.5
    for session in sessions:
        session.received(1)
    assert {one.upload for one in uploads.told} == {"u0", "u1", "u2"}


def test_a_short_upload_is_not_told(uploads: Uploads) -> None:
    """An upload that is complete within half a second sends no progress notice."""
    session = uploads.session()
    uploads.seconds = 0.4
    session.received(500)
    session.ended(1000)
    session.settled(1000)
    assert uploads.told == []


def test_the_end_of_a_request_is_told(uploads: Uploads) -> None:
    """The end of a request sends a notice without a pause, with the rate of the whole request."""
    session = uploads.session()
    uploads.seconds = 1.9
    session.received(100)
    uploads.seconds = 2.0
    session.ended(1000)
    session.settled(1000)
    assert [(one.offset, one.rate) for one in uploads.told] == [(100, 53), (1000, 500)]


def test_short_requests_are_told_like_a_long_one(uploads: Uploads) -> None:
    """An upload in many short requests sends two notices a second, as one long request does."""
    for number in range(1, 101):
        session = uploads.session(offset=number)
        uploads.seconds = number / 20
        session.received(1)
        session.ended(number + 1)
        session.settled(number + 1)
    assert len(uploads.told) == 10
    assert uploads.offsets() == sorted(uploads.offsets())


def test_bytes_that_are_given_up_are_taken_back(uploads: Uploads) -> None:
    """After a wrong checksum, a notice corrects the offset to where the upload continues."""
    session = uploads.session(offset=100)
    uploads.seconds = 1.0
    session.ended(600)
    session.settled(100)
    assert [(one.offset, one.rate) for one in uploads.told] == [(600, 500), (100, 0)]


def test_memory_is_bounded(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process forgets old uploads; the other uploads keep their pause between two notices."""
    monkeypatch.setattr(progress_notices, "_REMEMBERED", 10)
    for number in range(100):
        uploads.seconds = 1.0 + number
        uploads.session(upload=f"u{number}").received(1)
    last = uploads.session(upload="u99")
    last.received(2)
    assert len(uploads.notices._told) <= 10
    assert uploads.offsets().count(2) == 0


def test_many_at_once_are_looked_through_rarely(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more uploads than the process remembers, a notice causes no search of all uploads."""
    monkeypatch.setattr(progress_notices, "_REMEMBERED", 10)
    uploads.seconds = 1.0
    memories = []
    for number in range(100):
        uploads.session(upload=f"u{number}").received(1)
        memories.append(uploads.notices._told)
    assert len(uploads.told) == 100
    assert len({id(one) for one in memories}) <= 2
