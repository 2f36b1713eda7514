"""A sender of notices whose frames a test accepts one by one."""

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
    """A transport whose frames the test accepts one by one. `pauses` has the sender's pauses."""

    frames: Queue[bytes] = field(default_factory=Queue)
    outcomes: Queue[Exception | None] = field(default_factory=Queue)
    pauses: list[float] = field(default_factory=list)

    def send(self, frame: bytes) -> None:
        """Wait until the test accepts the frame, or raise the error that the test has set."""
        self.frames.put(frame)
        outcome = self.outcomes.get(timeout=WAIT_SECONDS)
        if outcome is not None:
            raise outcome

    def close(self) -> None:
        """Do nothing, because no connection is open."""

    def arrived(self) -> list[Notice]:
        """Return the notices of the next frame, which was not accepted yet."""
        return read_frame(self.frames.get(timeout=WAIT_SECONDS))

    def take(self, error: Exception | None = None) -> None:
        """Accept the next frame, or make it fail with an error."""
        self.outcomes.put(error)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let idle threads end with their test."""
    monkeypatch.setattr(sender, "_IDLE_SECONDS", 0.0)


@pytest.fixture
def way() -> Stopped:
    """Return a transport that has received no frame."""
    return Stopped()


@pytest.fixture
def told(way: Stopped) -> Iterator[Sender]:
    """Yield a sender whose pauses take no time, and whose thread ends with the test."""
    made = Sender(lambda: way, way.pauses.append)
    yield made
    ended(made)


def ended(told: Sender) -> None:
    """Wait for the end of the sender's thread."""
    thread = told._thread
    if thread is not None:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()
