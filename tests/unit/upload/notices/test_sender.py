"""The sender: it notes at once, and a thread hands over little by little."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Queue

import pytest

from tests.unit.upload.notices.test_messages import progress
from wharf_upload.notices import sender
from wharf_upload.notices.messages import Changed, Notice, read_frame
from wharf_upload.notices.sender import PAUSE_SECONDS, Sender
from wharf_upload.notices.transports import NotSent

WAIT_SECONDS = 10


@dataclass
class Stopped:
    """A transport whose frames the test takes one by one, and the pauses after them."""

    frames: Queue[bytes] = field(default_factory=Queue)
    outcomes: Queue[Exception | None] = field(default_factory=Queue)
    pauses: list[float] = field(default_factory=list)

    def send(self, frame: bytes) -> None:
        self.frames.put(frame)
        outcome = self.outcomes.get(timeout=WAIT_SECONDS)
        if outcome is not None:
            raise outcome

    def close(self) -> None:
        """Nothing is open."""

    def arrived(self) -> list[Notice]:
        """The notices of the next frame, which is not taken yet."""
        return read_frame(self.frames.get(timeout=WAIT_SECONDS))

    def take(self, error: Exception | None = None) -> None:
        """Take that frame, or fail."""
        self.outcomes.put(error)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle threads end with their test."""
    monkeypatch.setattr(sender, "_IDLE_SECONDS", 0.0)


@pytest.fixture
def way() -> Stopped:
    return Stopped()


@pytest.fixture
def told(way: Stopped) -> Iterator[Sender]:
    """A sender that does not pause; its thread has ended with the test."""
    made = Sender(lambda: way, way.pauses.append)
    yield made
    ended(made)


def ended(told: Sender) -> None:
    thread = told._thread
    if thread is not None:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


def test_a_notice_is_sent_at_once(told: Sender, way: Stopped) -> None:
    """Nobody has to wait for others to come."""
    told.changed("demo")
    assert way.arrived() == [Changed("demo")]
    way.take()


def test_what_comes_meanwhile_is_one_frame(told: Sender, way: Stopped) -> None:
    """However often tenants change while a frame is under way, the next one names each once."""
    told.changed("first")
    assert way.arrived() == [Changed("first")]
    for number in range(1000):
        told.changed(f"tenant-{number % 3}")
    told.changed("first")
    way.take()
    assert set(way.arrived()) == {Changed(t) for t in ("tenant-0", "tenant-1", "tenant-2", "first")}
    way.take()
    ended(told)
    assert way.frames.empty()


def test_frames_are_at_most_twenty_a_second(told: Sender, way: Stopped) -> None:
    """Each is followed by a pause of a twentieth of a second."""
    told.changed("demo")
    way.arrived()
    told.changed("demo")
    way.take()
    way.arrived()
    way.take()
    ended(told)
    assert way.pauses == [PAUSE_SECONDS] * 2
    assert PAUSE_SECONDS >= 1 / 20


def test_progress_is_the_newest(told: Sender, way: Stopped) -> None:
    """Of each upload the last word is sent, ahead of the tenants that have events."""
    told.changed("demo")
    way.arrived()
    for key in ("old", "new"):
        told.progress(progress("u1", key=key))
    told.progress(progress("u2"))
    told.changed("demo")
    way.take()
    assert way.arrived() == [progress("u1", key="new"), progress("u2"), Changed("demo")]
    way.take()


def test_a_change_survives_failures(
    told: Sender, way: Stopped, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again until it is taken, with what came since; progress is not, and the log
    says so once.
    """
    told.changed("demo")
    told.progress(progress())
    for _ in range(3):
        way.arrived()
        way.take(NotSent("nobody there", 1.0))
    told.changed("other")
    last = way.arrived()
    if Changed("other") not in last:
        assert last == [Changed("demo")]
        way.take(NotSent("nobody there", 1.0))
        last = way.arrived()
    assert last == [Changed("demo"), Changed("other")]
    way.take()
    ended(told)
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "notices are not sent, and the live channel is slower: nobody there"
    ]
    assert set(way.pauses[:3]) == {1.0}


def test_what_is_noted_is_bounded(
    told: Sender, way: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing is taken, no more than so many are remembered."""
    monkeypatch.setattr(sender, "MAX_TENANTS", 5)
    monkeypatch.setattr(sender, "MAX_UPLOADS", 2)
    told.changed("first")
    way.arrived()
    for number in range(100):
        told.changed(f"tenant-{number}")
        told.progress(progress(f"u{number}"))
    way.take()
    assert len(way.arrived()) == 7
    way.take()


def test_a_way_that_cannot_be_opened_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Who tells goes on, and the log says why nothing is heard."""

    def failing() -> Stopped:
        raise ValueError("no such way")

    told = Sender(failing, lambda _: None)
    told.changed("demo")
    ended(told)
    assert "no such way" in caplog.text


def test_no_thread_can_be_started(
    told: Sender, way: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the machine has none left, the request goes on; the next notice tries again."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        told.changed("first")
    told.changed("second")
    assert way.arrived() == [Changed("first"), Changed("second")]
    way.take()


def in_fork(work: Callable[[], bool]) -> bool:
    """Whether the work succeeds in a fork of this process."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_tells_by_itself(told: Sender, way: Stopped) -> None:
    """Neither the thread nor the lock of the parent, held at that moment, is waited for."""
    told.changed("parent")
    way.arrived()

    def tells() -> bool:
        way.frames, way.outcomes = Queue(), Queue()
        told.changed("child")
        found = way.arrived() == [Changed("child")]
        way.take()
        return found

    with told._noted:
        assert in_fork(tells)
    way.take()
