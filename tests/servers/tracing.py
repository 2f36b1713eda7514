"""strace as a tool that makes system calls fail, or kills a process at a system call."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.needs import lacking, needed

Strace = Callable[[str], list[str]]


@pytest.fixture(scope="session")
def strace(tmp_path_factory: pytest.TempPathFactory) -> Strace:
    """Return a function that returns the beginning of a command line: strace with an injection.

    The injection is in the form of strace(1): `fsync:error=EIO` makes every fsync fail, and
    `link:signal=KILL:when=3` kills the process at the third call of link(2). `trace_of` reads the
    trace.
    """
    program = needed("strace")
    folder = tmp_path_factory.mktemp("strace")
    probe = subprocess.run([program, "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode:
        lacking(f"strace may not trace here: {probe.stderr.decode().strip()}")

    def command(injection: str) -> list[str]:
        number = len(os.listdir(folder))
        log = folder / f"{number}.log"
        log.touch()
        calls = injection.partition(":")[0]
        inject = ["-e", f"inject={injection}"] if ":" in injection else []
        # -y shows paths. --seccomp-bpf is faster, because only the traced calls stop a process, but
        # it loses signals.
        fast = [] if "signal=" in injection else ["--seccomp-bpf"]
        return [program, "-f", *fast, "-y", "-o", str(log), "-e", f"trace={calls}", *inject]

    return command


_BEGUN = re.compile(r"(?P<thread>\d+) +(?P<call>.*?) *<unfinished \.\.\.>")
_RESUMED = re.compile(r"(?P<thread>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)")


def trace_of(command: list[str]) -> list[str]:
    """Return the lines that strace wrote for a command of `strace`, one for each call.

    strace splits a call in two lines when a call of another thread interrupts it. This function
    joins the two lines.
    """
    log = Path(command[command.index("-o") + 1])
    lines: list[str] = []
    begun: dict[str, str] = {}
    for line in log.read_text(errors="replace").splitlines():
        first, second = _BEGUN.fullmatch(line), _RESUMED.fullmatch(line)
        if first is not None:
            begun[first["thread"]] = first["call"]
        elif second is not None:
            call = begun.pop(second["thread"], "")
            lines.append(f"{second['thread']} {call}{second['rest']}")
        else:
            lines.append(line)
    # A process that was killed in a call did not return from it.
    return lines + [f"{thread} {call}" for thread, call in begun.items()]
