"""A sender of notices whose frames a test takes one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import Queue

import pytest

from wharf_upload.notices import sender
from wharf_upload.notices.messages import Notice, read_frame
from wharf_upload.notices.sender import Sender

WAIT_SECONDS = 10


@dataclass
class Stopped:
    """A transport whose frames the test takes one by one, and the pauses after them."""

    frames: Queue[bytes] = field(default_factory=Queue)
    outcomes: Queue[Exception | None] = field(default_factory=Queue)
    pauses: list[float] = field(default_factory=list)

    def send(self, frame: bytes) -> None:
        """Waits until the frame is taken, or fails as the test says."""
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
    """A transport that nothing has come to."""
    return Stopped()


@pytest.fixture
def told(way: Stopped) -> Iterator[Sender]:
    """A sender that does not pause; its thread has ended with the test."""
    made = Sender(lambda: way, way.pauses.append)
    yield made
    ended(made)


def ended(told: Sender) -> None:
    """Waits for the end of its thread."""
    thread = told._thread
    if thread is not None:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()
