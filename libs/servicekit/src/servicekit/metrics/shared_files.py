"""The files in which processes count (prometheus_client's multi-process mode), kept right and few.

Each process has files of its own, by its id. When it has ended, its counters must go on to count,
and its gauges must not; and a service whose workers are replaced for months must not collect files
without end. So what the dead have counted is added to one file, `…_0.db`: a restart of a worker
resets nothing, and nothing is counted twice, wherever this is cut off.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prometheus_client import mmap_dict

# Not typed.
MmapedDict: Any = mmap_dict.MmapedDict
# What adds up over processes, and over their lives.
_KEPT = ("counter", "histogram")
_JOURNAL, _NEW = "merging.json", "merging.new"


def is_alive(pid: int) -> bool:
    """Whether a process of this id runs, as a child of the same parent or as that parent.

    The ids of others may come again: a stranger's life must not keep our gauges alive.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return False
    # Of the fields behind the name: the state, and the parent.
    return fields[0] not in "ZX" and (
        pid in (os.getpid(), os.getppid()) or int(fields[1]) in (os.getppid(), os.getpid())
    )


@contextmanager
def merged(folder: Path, alive: Callable[[int], bool] = is_alive) -> Iterator[None]:
    """While the files are read: nobody merges, and of the dead there is one file of each kind."""
    with open(folder / "lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _end_what_began(folder)
        _merge_dead(folder, alive)
        yield


def _merge_dead(folder: Path, alive: Callable[[int], bool]) -> None:
    dead: dict[str, list[Path]] = defaultdict(list)
    for path in folder.glob("*_*.db"):
        kind, _, pid = path.stem.rpartition("_")
        if pid.isdigit() and pid != "0" and not alive(int(pid)):
            dead[kind].append(path)
    for kind, paths in sorted(dead.items()):
        if kind in _KEPT:
            _add_up(folder, f"{kind}_0.db", paths)
        else:
            for path in paths:
                path.unlink()


def _add_up(folder: Path, name: str, paths: list[Path]) -> None:
    """Makes one file of the sum and these; the journal says what is left to do after a crash."""
    sums: dict[str, float] = defaultdict(float)
    for path in [folder / name, *paths]:
        # Not there: nobody died before. Not to be read: killed in the moment of making it.
        with suppress(FileNotFoundError, struct.error):
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):
                sums[key] += value
    new = folder / _NEW
    new.unlink(missing_ok=True)
    target = MmapedDict(str(new))
    for key, value in sums.items():
        target.write_value(key, value, 0.0)
    target.close()
    journal = folder / _JOURNAL
    begun = journal.with_suffix(".tmp")
    begun.write_text(json.dumps({"name": name, "dead": [path.name for path in paths]}))
    begun.rename(journal)
    _end_what_began(folder)


def _end_what_began(folder: Path) -> None:
    journal = folder / _JOURNAL
    try:
        left = json.loads(journal.read_text())
    except FileNotFoundError:
        return
    with suppress(FileNotFoundError):  # it is in its place already
        (folder / _NEW).rename(folder / left["name"])
    for name in left["dead"]:
        (folder / name).unlink(missing_ok=True)
    journal.unlink()
