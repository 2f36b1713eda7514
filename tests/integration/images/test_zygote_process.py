"""The zygote's process, as the service sees it."""

from __future__ import annotations

import os
import sys

import pytest

from wharf_images.sandbox.client import Sandbox


def test_one_that_has_ended_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service does not kill a zygote that has ended, because another process
    may have its id.
    """
    killed: list[int] = []
    sandbox = Sandbox([sys.executable, "-I", "-S", "-c", ""])
    try:
        sandbox.watch()
        (first,) = sandbox.pids()
        # The zygote has ended, but no process has read its exit status yet.
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        with monkeypatch.context() as patched:
            patched.setattr(os, "kill", lambda pid, _: killed.append(pid))
            sandbox.watch()
        assert sandbox.restarts == 1
        assert killed == []
    finally:
        sandbox.close()
