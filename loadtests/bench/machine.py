"""Measurements of the machine: its load, and the CPU time and memory of a server."""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MIB, GIB = 1 << 20, 1 << 30
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_CALM_BUSY = 0.10
_SAMPLE_SECONDS = 0.25


# ---- processes ----


def family(root: int) -> set[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found, new = set[int](), [root]
    while new:
        pid = new.pop()
        found.add(pid)
        new += children.get(pid, ())
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the state on; none if the process has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    # The name before the state is in brackets, and may contain any character.
    return text.rpartition(")")[2].split()


def cpu_seconds(pids: set[int]) -> float:
    """Return user and system time in seconds, including that of children that have ended."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            # In nanoseconds: one tick of /proc is a tenth of the time that nginx needs for a GiB.
            total += time.clock_gettime(_clock_of(pid))
        if fields := _stat(pid):
            total += sum(int(field) for field in fields[13:15]) / _TICKS_PER_SECOND
    return total


def _clock_of(pid: int) -> int:
    """Return the value of clock_getcpuclockid(3), which Python does not offer."""
    return (~pid << 3) | 2


def pss_bytes(pids: set[int]) -> int:
    """Return the memory of processes. Shared memory counts once (proportional set size)."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total * 1024


@dataclass
class Use:
    """The CPU time and memory that processes used in a block."""

    cpu_seconds: float = 0.0
    peak_pss_bytes: int = 0


@contextmanager
def watched(root: int) -> Iterator[Use]:
    """Measure a process and its descendants during a block."""
    use, done = Use(), threading.Event()

    def sample() -> None:
        while True:
            use.peak_pss_bytes = max(use.peak_pss_bytes, pss_bytes(family(root)))
            if done.wait(_SAMPLE_SECONDS):
                return

    sampler = threading.Thread(target=sample, daemon=True)
    before = cpu_seconds(family(root))
    sampler.start()
    try:
        yield use
    finally:
        use.cpu_seconds = cpu_seconds(family(root)) - before
        done.set()
        sampler.join()


# ---- quiet and warm ----


def busy_fraction(seconds: float = 0.5) -> float:
    """Return the part of all cores' time that is used during the next `seconds`."""

    def times() -> tuple[int, int]:
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    total, idle = times()
    time.sleep(seconds)
    total_after, idle_after = times()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def wait_calm(patience_seconds: float) -> bool:
    """Wait until hardly any program runs; return `False` after `patience_seconds`."""
    deadline = time.monotonic() + patience_seconds
    while busy_fraction() > _CALM_BUSY:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def warm_memory(at_most: int) -> None:
    """Allocate free memory, write to it and release it, so that the server gets that memory.

    A virtual machine returns free memory to its host within seconds. The first access to a page
    then costs more than a write: the server's CPU time for one file differed by a factor of five.
    Call this directly before the measurement.
    """
    with open("/proc/meminfo", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("MemAvailable:"))
    size = min(at_most, int(line.split()[1]) * 1024 // 2) // MIB * MIB
    block = bytes(MIB)
    with mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        with suppress(OSError):  # the kernel has no such pages
            # Large pages, so that the server can get large ones afterwards.
            memory.madvise(mmap.MADV_HUGEPAGE)
        for begin in range(0, size, MIB):
            memory[begin : begin + MIB] = block


def read_through(path: Path) -> None:
    """Read a file into the page cache."""
    buffer = bytearray(4 * MIB)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


# ---- the file system ----


def file_system(folder: Path) -> tuple[str, str]:
    """Return type and device of a folder's file system."""
    best, kind, device = "", "unknown", ""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        source, mount, this_kind, *_ = line.split()
        inside = folder == Path(mount) or Path(mount) in folder.parents
        if inside and len(mount) >= len(best):
            best, kind, device = mount, this_kind, source
    return kind, device


def memory_note(folder: Path) -> str | None:
    """Return a note that durable writes cost nothing on this file system, `None` if they cost."""
    kind, _ = file_system(folder)
    if kind in ("tmpfs", "ramfs"):
        return f"{folder} is in memory ({kind}): durable writes cost nothing there"
    return None


def journal_note(folder: Path) -> str | None:
    """Return a note that the numbers mislead on ext4 without a journal, or `None` elsewhere."""
    kind, device = file_system(folder)
    if kind == "ext4" and not _has_journal(device):
        return (
            f"{folder} is on ext4 without a journal: uploads after a clean-up are slower there "
            "than on any usual server, and fsync is cheaper; name a journaled one with BENCH_WORK"
        )
    return None


def _has_journal(device: str) -> bool:
    name = Path(os.path.realpath(device)).name
    folder = Path("/proc/fs/jbd2")
    return folder.is_dir() and any(entry.name.startswith(f"{name}-") for entry in folder.iterdir())
