"""The sender of notices in a process that was forked."""

from __future__ import annotations

import os
from collections.abc import Callable
from queue import Queue

import pytest

from tests.servers.stopped_sender import Stopped, at_once, told, way
from wharf_upload.notices.messages import Changed
from wharf_upload.notices.sender import Sender

__all__ = ["at_once", "told", "way"]


def in_fork(work: Callable[[], bool]) -> bool:
    """Fork this process, run the work in the child, and return whether it succeeds."""
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
    """A forked process sends notices without the parent's thread, even if the parent
    holds the lock.
    """
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
