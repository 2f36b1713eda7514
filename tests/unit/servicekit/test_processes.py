"""Memory limits and CPU time of a service's processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from servicekit.metrics import processes
from servicekit.metrics.processes import memory_limit, usage

MIB = 1 << 20


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Return a folder like `/proc`, with a process in the control group /pods/one/upload."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/pods/one/upload\n")
    return tmp_path / "proc"


def group(tmp_path: Path, name: str, limit: str) -> None:
    """Create the files of a control group with this limit."""
    folder = tmp_path / "groups" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")


def test_the_tightest_group_counts(tmp_path: Path, proc: Path) -> None:
    """The lowest limit of a control group and its parents applies."""
    group(tmp_path, "pods/one/upload", "max")
    group(tmp_path, "pods/one", str(64 * MIB))
    group(tmp_path, "pods", str(128 * MIB))
    assert memory_limit(proc, tmp_path / "groups") == 64 * MIB


def test_a_group_of_version_1(tmp_path: Path, proc: Path) -> None:
    """For control groups of version 1 the limit is read from their file."""
    folder = tmp_path / "groups/memory"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(str(32 * MIB))
    assert memory_limit(proc, tmp_path / "groups") == 32 * MIB


@pytest.mark.parametrize("limit", ["max", str(1 << 62), "rubbish"])
def test_without_a_limit(tmp_path: Path, proc: Path, limit: str) -> None:
    """If no valid limit is below the machine's memory, the machine's memory is returned."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    total = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))
    group(tmp_path, "pods/one", limit)
    assert memory_limit(proc, tmp_path / "groups") == total
    assert memory_limit(tmp_path / "nothing", tmp_path / "nothing") == total


def test_a_child_that_ends_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a child ends between two readings, the child's CPU time is counted."""
    master, child = 1001, 1002
    reaped = False

    def stat(pid: int) -> list[str]:
        nonlocal reaped
        fields = ["0"] * 50
        if pid == child:
            # The child ends just before the test reads its CPU times.
            reaped = True
            return []
        fields[11:15] = ["100", "0", "700" if reaped else "0", "0"]
        return fields

    monkeypatch.setattr(processes, "_stat", stat)
    monkeypatch.setattr(
        processes,
        "_processes",
        lambda: {master: "master"} if reaped else {master: "master", child: "worker"},
    )
    (cpu,) = [one for one in usage() if one.name == "wharf_process_cpu_seconds"]
    assert cpu.samples[0].value == 800 / os.sysconf("SC_CLK_TCK")


def test_a_child_that_is_being_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a child has ended and is still listed, the child's CPU time is counted once."""
    master, child = 1001, 1002

    def stat(pid: int) -> list[str]:
        own = ["X"] if pid == child else ["S"]
        times = ["700", "0", "0", "0"] if pid == child else ["100", "0", "700", "0"]
        return own + ["0"] * 10 + times + ["0"] * 35

    monkeypatch.setattr(processes, "_stat", stat)
    monkeypatch.setattr(processes, "_processes", lambda: {master: "master", child: "worker"})
    (cpu,) = [one for one in usage() if one.name == "wharf_process_cpu_seconds"]
    assert cpu.samples[0].value == 800 / os.sysconf("SC_CLK_TCK")


def test_children_that_end_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """If children end during each reading, the reading is repeated a limited number of times."""
    ended = 0

    def stat(_: int) -> list[str]:
        nonlocal ended
        ended += 1
        return ["0"] * 11 + ["1", "0", str(ended), "0"] + ["0"] * 35

    monkeypatch.setattr(processes, "_stat", stat)
    assert next(iter(usage())).samples[0].value > 0
    assert ended < 50
