"""The disk of a run: a separate file system with a journal, if the bench may mount one as root.

The file system is in a sparse image below the bench's folder. On ext4 without a journal, rounds of
the same code differed by a factor of three.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench import machine

_RUN_PREFIX = "wharf-bench-run-"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The size of a usual disk's journal. A small image has a much smaller one by default.
_JOURNAL_MIB = 512
# The PATH of some users lacks mkfs, mount and losetup.
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
# The servers of a killed run end within this time.
_PATIENCE_SECONDS = 20.0


class DiskFailed(Exception):
    """The bench cannot prepare or clean its folder; the message says why."""


class _NotPossible(Exception):
    """An image cannot be mounted on this machine; the message says why."""


@dataclass(frozen=True)
class WorkFolder:
    """The folder of a run; `lacking` says why it is not a separate file system."""

    path: Path
    lacking: str = ""


@contextmanager
def work_folder(base: Path, size_bytes: int) -> Iterator[WorkFolder]:
    """Yield a folder for `size_bytes` bytes, on a separate file system if that is possible.

    First delete the remains of killed runs below `base`. After the block, delete the folder.
    SIGTERM and SIGHUP end the block, as Ctrl-C does. Raise `DiskFailed`.
    """
    with _alone(base), _handling(*_ENDING, handler=_end):
        for left in sorted(base.glob(f"{_RUN_PREFIX}*")):
            print(f"bench: removing what a run that was killed left: {left}", file=sys.stderr)
            _remove(left)
        _require_room(base, size_bytes)
        run = Path(tempfile.mkdtemp(prefix=_RUN_PREFIX, dir=base))
        try:
            yield _prepared(run, size_bytes)
        finally:
            with _handling(*_ENDING, handler=signal.SIG_IGN):
                _remove(run)


def _prepared(run: Path, size_bytes: int) -> WorkFolder:
    try:
        return WorkFolder(_mount(run, size_bytes))
    except _NotPossible as error:
        plain = run / "plain"
        plain.mkdir()
        return WorkFolder(plain, str(error))


def _mount(run: Path, size_bytes: int) -> Path:
    if os.geteuid():
        raise _NotPossible("not root")
    image, disk = run / "disk.img", run / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(size_bytes)
    journal = min(_JOURNAL_MIB, size_bytes // machine.MIB // 12)
    # Initialize the whole file system now. Otherwise a kernel thread initializes it during the
    # measurements.
    whole = "lazy_itable_init=0,lazy_journal_init=0"
    _run("mkfs.ext4", "-q", "-m", "0", "-E", whole, "-J", f"size={journal}", str(image))
    _run("mount", "-o", "loop", str(image), str(disk))
    # Without direct I/O each page is in memory twice. The results are valid even if it is not
    # possible.
    _, device = machine.file_system(disk)
    _tool("losetup", "--direct-io=on", device)
    return disk


def _run(*command: str) -> None:
    if shutil.which(command[0], path=_PATH) is None:
        raise _NotPossible(f"there is no {command[0]}")
    done = _tool(*command)
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise _NotPossible(f"{command[0]} is not possible here: {said}")


def _tool(*command: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which(command[0], path=_PATH) or command[0]
    return subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)


def _remove(run: Path) -> None:
    """Unmount and remove the files of a run."""
    disk = run / "disk"
    try:
        if os.path.ismount(disk):
            _unmount(disk)
        shutil.rmtree(run)
    except OSError as error:
        raise DiskFailed(f"cannot remove {run}: {error}") from error


def _unmount(disk: Path) -> None:
    """Unmount a disk, which also releases its loop device."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (done := _tool("umount", str(disk))).returncode:
        if "busy" not in done.stderr:
            raise OSError(done.stderr.strip())
        if time.monotonic() > deadline:
            # After this unmount other processes do not see the disk. A process that uses it keeps
            # it until the process ends.
            done = _tool("umount", "--lazy", str(disk))
            if done.returncode:
                raise OSError(done.stderr.strip())
            return
        time.sleep(0.2)


def _require_room(base: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(base).free
    if free < size_bytes:
        raise DiskFailed(f"{base} has {free >> 20} MiB free, {size_bytes >> 20} MiB are needed")


@contextmanager
def _alone(base: Path) -> Iterator[None]:
    """Let only one bench run in a folder, since two would disturb each other."""
    base.mkdir(parents=True, exist_ok=True)
    with (base / "wharf-bench.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DiskFailed(f"another bench runs in {base}") from None
        yield


@contextmanager
def _handling(*numbers: signal.Signals, handler: Callable[..., object] | int) -> Iterator[None]:
    """Handle signals during a block, except a SIGHUP that is ignored already (nohup).

    A SIGINT that is ignored already is handled: a shell ignores it for commands with `&`, but a
    person may still send one.
    """
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    asked = [one for one in numbers if one != signal.SIGHUP or not ignored]
    before = {number: signal.signal(number, handler) for number in asked}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _end(number: int, _frame: object) -> None:
    """End the run. Ignore a second signal, which would end the cleaning."""
    for one in _ENDING:
        signal.signal(one, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
