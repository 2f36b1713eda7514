"""The sandbox confines its processes: in each test a process tries to get out."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.hostile_zygote import ATTEMPTS
from tests.servers.image_files import memory_file
from wharf_images.sandbox import kernel
from wharf_images.sandbox.client import Ended, Sandbox

SCRIPT = Path(__file__).parents[2] / "servers/hostile_zygote.py"
# The version of Landlock that this kernel has, and 0 for a kernel without Landlock.
VERSIONS = sorted({0, kernel.landlock_abi()})
Try = Callable[..., Ended]

FAILS = {"read a file", "make a file", "list a folder", "look at a file", "read a link"}
FAILS |= {"read the environment", "read the parent's memory", "make a descriptor", "raise a limit"}
ENDS_OTHERWISE = {
    "have much time": "cpu",
    "write much output": "output",
    "crash": "crash",
    "abort": "crash",
}
# Attempts that meet limits of resources, and attempts that show what exists in the sandbox.
OTHERS = {
    "find another descriptor",
    "write much",
    "have much memory",
    "wait for ever",
    "do nothing",
}
KILLED = ATTEMPTS.keys() - FAILS - ENDS_OTHERWISE.keys() - OTHERS


@contextmanager
def hostile(version: int, layer: str = "all", seconds: float = 20) -> Iterator[Sandbox]:
    """Yield a sandbox whose children try to get out."""
    sandbox = Sandbox([sys.executable, "-I", str(SCRIPT), str(version), layer], seconds)
    sandbox.watch()
    try:
        yield sandbox
    finally:
        sandbox.close()


def attempt(sandbox: Sandbox, name: str, blob: bytes = b"") -> Ended:
    """Let a child make the named attempt to get out, and return the way in
    which the child ended.
    """
    with memory_file(blob) as descriptor:
        return sandbox.run(descriptor, list(ATTEMPTS).index(name))


@pytest.fixture(scope="module", params=VERSIONS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Yield the complete sandbox, with Landlock and without it."""
    with hostile(request.param) as found:
        yield found


@pytest.mark.parametrize("name", sorted(KILLED))
def test_a_call_that_no_decoder_makes_ends_the_process(sandbox: Sandbox, name: str) -> None:
    """seccomp ends a process before a call that no decoder makes. The zygote continues to run."""
    before = sandbox.pids()
    assert attempt(sandbox, name) == Ended("refused-call")
    assert sandbox.pids() == before


@pytest.mark.parametrize("name", sorted(FAILS))
def test_a_call_that_libraries_make_fails(sandbox: Sandbox, name: str) -> None:
    """The sandbox refuses a forbidden call that libraries make with a permission error, even if
    the call's target exists.
    """
    done = attempt(sandbox, name)
    assert done.how == "done"
    assert done.result in {b"refused 13", b"refused 1"}


@pytest.mark.parametrize("name", sorted(ENDS_OTHERWISE))
def test_a_process_beyond_its_limits_ends(sandbox: Sandbox, name: str) -> None:
    """A process that exceeds a limit ends, and the result states the reason. The
    zygote continues to run.
    """
    before = sandbox.pids()
    assert attempt(sandbox, name).how == ENDS_OTHERWISE[name]
    assert sandbox.pids() == before


def test_nothing_is_inherited(sandbox: Sandbox) -> None:
    """A process in the sandbox has no open descriptor except the file and the pipe."""
    assert attempt(sandbox, "find another descriptor") == Ended("done", b"refused 0")


def test_files_and_memory_have_their_limits(sandbox: Sandbox) -> None:
    """In the sandbox a file may have 1 MiB, and a process may have 512 MiB of memory."""
    assert attempt(sandbox, "write much") == Ended("done", b"refused 27")
    assert attempt(sandbox, "have much memory") == Ended("done", b"refused memory")


def test_who_tries_nothing_comes_back(sandbox: Sandbox) -> None:
    """A process that tries nothing reports `escaped`, so these tests can notice an escape."""
    assert attempt(sandbox, "do nothing") == Ended("done", b"escaped")


def test_a_process_ends_by_the_clock() -> None:
    """A process that never ends is killed when its time is over, and the next process runs."""
    with hostile(0, seconds=2) as sandbox:
        assert attempt(sandbox, "wait for ever").how == "time"
        assert attempt(sandbox, "do nothing").how == "done"


@contextmanager
def listening(family: int, address: Any) -> Iterator[socket.socket]:
    """Yield a socket that listens and could be reached from the sandbox."""
    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()
        yield listener


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("read a file", 1),
        ("make a file", 1),
        ("list a folder", 1),
        ("read the environment", 1),
        ("remove a file", 1),
        ("connect to a port", 4),
        ("connect to an abstract socket", 6),
    ],
)
def test_landlock_alone_refuses(name: str, since: int) -> None:
    """Landlock alone refuses an attempt if this kernel's version of Landlock covers it.

    Seccomp and the limits are off.
    """
    version = kernel.landlock_abi()
    Path("/tmp/nothing-to-remove").touch()
    abstract = f"wharf-test-{os.getpid()}".encode()
    with ExitStack() as stack:
        port = stack.enter_context(listening(socket.AF_INET, ("127.0.0.1", 0)))
        stack.enter_context(listening(socket.AF_UNIX, b"\0" + abstract))
        blob = abstract if "abstract" in name else b"%d" % port.getsockname()[1]
        done = attempt(stack.enter_context(hostile(version, "landlock")), name, blob)
    refused = done.result in {b"refused 13", b"refused 1"}
    assert (done.how, refused) == ("done", version >= since)


def test_landlock_alone_keeps_signals_from_the_parent() -> None:
    """From version 6 on, Landlock alone refuses a signal to the parent, so the zygote continues."""
    version = kernel.landlock_abi()
    with hostile(version, "landlock") as sandbox:
        attempt(sandbox, "do nothing")
        before = sandbox.pids()
        if version >= 6:
            assert attempt(sandbox, "end the parent") == Ended("done", b"refused 1")
        assert sandbox.pids() == before


@pytest.mark.parametrize("name", ["make a descriptor", "write much", "have much memory"])
def test_the_limits_hold_alone(name: str) -> None:
    """The limits alone refuse a descriptor, much output and much memory. Seccomp
    and Landlock are off.
    """
    with hostile(0, "limits") as sandbox:
        assert attempt(sandbox, name).result.startswith(b"refused")


def test_a_process_of_root_has_no_rights() -> None:
    """A sandboxed process of root has no capability, can get none, and has a seccomp filter."""
    with hostile(VERSIONS[-1], seconds=5) as sandbox:
        attempt(sandbox, "do nothing")
        (zygote,) = sandbox.pids()
        with memory_file(b"") as blob:
            number = list(ATTEMPTS).index("have much time")
            thread = threading.Thread(target=sandbox.run, args=(blob, number))
            thread.start()
            fields: dict[str, str] = {}
            while thread.is_alive() and fields.get("Seccomp") != "2":
                fields = child_status(zygote)
            thread.join()
    wanted = {"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "NoNewPrivs": "1"}
    assert {name: fields.get(name) for name in wanted} == wanted
    assert fields["Seccomp"] == "2"


def child_status(parent: int) -> dict[str, str]:
    """Return /proc/PID/status of a child."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    try:
        lines = Path(f"/proc/{children[0]}/status").read_text().splitlines()
    except (IndexError, OSError):
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_a_zygote_that_ends_is_replaced() -> None:
    """After the zygote was killed, a new zygote makes the next picture without an error."""
    with hostile(0) as sandbox:
        assert attempt(sandbox, "do nothing").how == "done"
        (first,) = sandbox.pids()
        os.kill(first, signal.SIGKILL)
        assert attempt(sandbox, "do nothing").how == "done"
        assert sandbox.pids() != [first]
        assert sandbox.restarts == 1


def test_children_end_with_their_zygote() -> None:
    """If the zygote is killed, its busy child ends, and the result of the request is `killed`."""
    with hostile(0) as sandbox:
        attempt(sandbox, "do nothing")
        (zygote,) = sandbox.pids()
        ends: list[Ended] = []
        thread = threading.Thread(target=lambda: ends.append(attempt(sandbox, "have much time")))
        thread.start()
        while child_status(zygote).get("Seccomp") != "2":
            time.sleep(0.001)
        os.kill(zygote, signal.SIGKILL)
        thread.join(10)
        assert [one.how for one in ends] == ["killed"]
