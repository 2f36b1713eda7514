"""The machine: how busy and how warm it is, and what a server's processes use of it."""

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
    """A process and all that descend from it."""
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
    """The fields of /proc/<pid>/stat from the state on; empty when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    # The name before it stands in brackets, and may hold anything.
    return text.rpartition(")")[2].split()


def cpu_seconds(pids: set[int]) -> float:
    """User and system time so far, that of children which have ended included."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            # To the nanosecond: ticks of /proc would be a tenth of what nginx needs for a GiB.
            total += time.clock_gettime(_clock_of(pid))
        if fields := _stat(pid):
            total += sum(int(field) for field in fields[13:15]) / _TICKS_PER_SECOND
    return total


def _clock_of(pid: int) -> int:
    """What clock_getcpuclockid(3) returns, which Python does not have."""
    return (~pid << 3) | 2


def pss_bytes(pids: set[int]) -> int:
    """Memory of the processes; what they share counts once (proportional set size)."""
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
    """What the processes used while they were watched."""

    cpu_seconds: float = 0.0
    peak_pss_bytes: int = 0


@contextmanager
def watched(root: int) -> Iterator[Use]:
    """Measures a process and its descendants during a block."""
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
    """The part of all cores' time that was used during the next moment."""

    def times() -> tuple[int, int]:
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    total, idle = times()
    time.sleep(seconds)
    total_after, idle_after = times()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def wait_calm(patience_seconds: float) -> bool:
    """Waits until hardly anything runs; false when that did not happen."""
    deadline = time.monotonic() + patience_seconds
    while busy_fraction() > _CALM_BUSY:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def warm_memory(at_most: int) -> None:
    """Takes free memory, writes to it and gives it back; the server then gets that memory.

    A virtual machine gives free memory back to its host within seconds, and then the first touch of
    a page costs more than writing it. The server's CPU time for one file differed by five times.
    Call this right before the measurement.
    """
    with open("/proc/meminfo", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("MemAvailable:"))
    size = min(at_most, int(line.split()[1]) * 1024 // 2) // MIB * MIB
    block = bytes(MIB)
    with mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        with suppress(OSError):  # a kernel without them
            # Large pages, so that large ones are free afterwards.
            memory.madvise(mmap.MADV_HUGEPAGE)
        for begin in range(0, size, MIB):
            memory[begin : begin + MIB] = block


def read_through(path: Path) -> None:
    """Brings a file into the page cache."""
    buffer = bytearray(4 * MIB)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


# ---- the file system ----


def file_system(folder: Path) -> tuple[str, str]:
    """Type and device of the file system on which a folder lies."""
    best, kind, device = "", "unknown", ""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        source, mount, this_kind, *_ = line.split()
        inside = folder == Path(mount) or Path(mount) in folder.parents
        if inside and len(mount) >= len(best):
            best, kind, device = mount, this_kind, source
    return kind, device


def memory_note(folder: Path) -> str | None:
    """Why durable writes cost nothing here, if they do not."""
    kind, _ = file_system(folder)
    if kind in ("tmpfs", "ramfs"):
        return f"{folder} is in memory ({kind}): durable writes cost nothing there"
    return None


def journal_note(folder: Path) -> str | None:
    """Why numbers from this file system mislead, if it is ext4 without a journal."""
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
