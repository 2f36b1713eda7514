"""The benchmark's own file system: it has a journal, and each end of a run removes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.bench import disk, machine
from loadtests.bench.servers import ROOT
from tests.servers.filesystems import disk as disk_for_tests

SIZE = 64 << 20
_PROGRAM = f"""
import signal, sys, time
from pathlib import Path
from loadtests.bench.disk import work_folder
# SIGHUP works as in a terminal, even when the tests run under nohup.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
with work_folder(Path(sys.argv[1]), {SIZE}) as work:
    print(work.path, flush=True)
    time.sleep(60)
"""


def mounts(base: Path) -> list[str]:
    """Return the lines of /proc/self/mounts that contain the folder's path."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if str(base) in line]


def images(base: Path) -> list[str]:
    """Return the lines about loop devices whose image is below a folder. Wait up to ten seconds for
    the kernel, which frees devices late.
    """
    deadline = time.monotonic() + 10
    while True:
        found = subprocess.run(["losetup", "-l"], capture_output=True, text=True, check=True).stdout
        lines = [line for line in found.splitlines() if str(base) in line]
        if not lines or time.monotonic() > deadline:
            return lines
        time.sleep(0.1)


def assert_nothing_left(base: Path) -> None:
    """Assert that nothing is mounted, no loop device is used, and only the lock file remains."""
    assert mounts(base) == []
    assert images(base) == []
    assert [path.name for path in base.iterdir()] == ["wharf-bench.lock"]


@pytest.fixture(scope="session")
def _mountable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip the test on a machine that cannot mount images."""
    with disk_for_tests(tmp_path_factory.mktemp("mountable"), 64):
        pass


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Return the benchmark's folder."""
    return tmp_path / "base"


@pytest.fixture
def running(base: Path, _mountable: None) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Yield a process with its own disk, and the disk's folder."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(base)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.terminate()


@pytest.mark.usefixtures("_mountable")
def test_it_has_a_journal_and_is_removed_after_a_failure(base: Path) -> None:
    """The disk is ext4 with a journal, and it is removed after an error in the block."""

    def fail() -> None:
        with disk.work_folder(base, SIZE) as work:
            assert work.lacking == ""
            assert machine.file_system(work.path)[0] == "ext4"
            assert machine.journal_note(work.path) is None
            (work.path / "file").write_bytes(b"x" * 1000)
            raise RuntimeError("failed")

    with pytest.raises(RuntimeError, match="failed"):
        fail()
    assert_nothing_left(base)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_is_removed_after_a_signal(
    base: Path, running: tuple[subprocess.Popen[str], Path], number: signal.Signals
) -> None:
    """Ctrl-C, `kill` and a closed terminal unmount the disk, even when a second signal follows."""
    process, folder = running
    assert os.path.ismount(folder)
    process.send_signal(number)
    process.send_signal(number)
    assert process.wait(60) in {128 + number, -number}
    assert_nothing_left(base)


def test_what_a_killed_run_left_is_removed_at_the_next_start(
    base: Path, running: tuple[subprocess.Popen[str], Path]
) -> None:
    """After SIGKILL the disk is still mounted, and the next run removes it with its image."""
    process, folder = running
    process.kill()
    process.wait(60)
    assert os.path.ismount(folder)
    with disk.work_folder(base, SIZE) as work:
        assert work.path != folder
        assert len(mounts(base)) == 1
    assert_nothing_left(base)


def test_two_benches_do_not_disturb_each_other(
    base: Path, running: tuple[subprocess.Popen[str], Path]
) -> None:
    """A second run in the same folder is refused, and the first run keeps its disk."""
    _, folder = running
    with pytest.raises(disk.DiskFailed, match="another bench"), disk.work_folder(base, SIZE):
        pass
    assert os.path.ismount(folder)


def test_without_root_it_goes_on_in_the_folder(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who is not root gets a plain folder and the reason. The folder is
    removed at the end.
    """
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with disk.work_folder(base, SIZE) as work:
        assert work.lacking == "not root"
        (work.path / "file").write_bytes(b"x")
        assert mounts(base) == []
    assert_nothing_left(base)


def test_without_loop_devices_it_goes_on_in_the_folder(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that cannot mount images, the benchmark gets a plain folder and
    the error of `mount`.
    """
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(disk, "_tool", _without_loop_devices)
    with disk.work_folder(base, SIZE) as work:
        assert work.lacking == "mount is not possible here: failed to setup loop device"
        assert work.path.is_dir()
    assert_nothing_left(base)


def _without_loop_devices(*command: str) -> subprocess.CompletedProcess[str]:
    status = int(command[0] == "mount")
    return subprocess.CompletedProcess(command, status, "", "failed to setup\n loop device")
