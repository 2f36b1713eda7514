"""What the processes of a service may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from servicekit.metrics.processes import memory_limit

MIB = 1 << 20


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A process in the group /pods/one/upload."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/pods/one/upload\n")
    return tmp_path / "proc"


def group(tmp_path: Path, name: str, limit: str) -> None:
    """A control group with this limit."""
    folder = tmp_path / "groups" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")


def test_the_tightest_group_counts(tmp_path: Path, proc: Path) -> None:
    """A pod's limit holds for its containers, whatever they may have themselves."""
    group(tmp_path, "pods/one/upload", "max")
    group(tmp_path, "pods/one", str(64 * MIB))
    group(tmp_path, "pods", str(128 * MIB))
    assert memory_limit(proc, tmp_path / "groups") == 64 * MIB


def test_a_group_of_version_1(tmp_path: Path, proc: Path) -> None:
    """Older systems have the limit in another file."""
    folder = tmp_path / "groups/memory"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(str(32 * MIB))
    assert memory_limit(proc, tmp_path / "groups") == 32 * MIB


@pytest.mark.parametrize("limit", ["max", str(1 << 62), "rubbish"])
def test_without_a_limit(tmp_path: Path, proc: Path, limit: str) -> None:
    """The machine's memory is the limit, also where a group allows more than there is."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    total = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))
    group(tmp_path, "pods/one", limit)
    assert memory_limit(proc, tmp_path / "groups") == total
    assert memory_limit(tmp_path / "nothing", tmp_path / "nothing") == total
