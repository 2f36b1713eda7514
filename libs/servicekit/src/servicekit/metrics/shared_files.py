"""The merge of the files in which processes count (prometheus_client's multi-process mode).

Each process has separate files, named by its process id. After a process has ended, its counters
must stay in the sums, and its gauges must not. A service that replaces workers for months must not
accumulate files. So this module adds the counters of ended processes to one file for each kind of
metric, `<kind>_0.db`. A restart of a worker resets no counter. A crash during the merge neither
loses nor doubles counts.
"""

from __future__ import annotations

import json
import os
import struct
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prometheus_client import mmap_dict

from servicekit import atomic_file, file_lock

# prometheus_client has no types for it.
MmapedDict: Any = mmap_dict.MmapedDict
# The kinds of metrics that are summed over all processes, including ended ones.
_KEPT = ("counter", "histogram")
_JOURNAL, _NEW = "merging.json", "merging.new"


def is_held(path: Path) -> bool:
    """Tell whether the process with the id in the file's name has the file open.

    A process that runs with this id is not proof, since ids are reused. The parent of a process is
    not proof either: during a restart the old and the new processes of a service count together.
    """
    folder = f"/proc/{path.stem.rpartition('_')[2]}/fd"
    try:
        for descriptor in os.listdir(folder):
            with suppress(FileNotFoundError):  # the process has just closed it
                if os.readlink(f"{folder}/{descriptor}") == str(path):
                    return True
    except (FileNotFoundError, ProcessLookupError):
        return False
    except PermissionError:
        return True  # the process of another user has this id; keep the file
    return False


@contextmanager
def merged(folder: Path) -> Iterator[None]:
    """Merge the files of ended processes; during the block no other process merges."""
    folder = folder.resolve()
    with file_lock.held(folder / "lock"):
        _end_what_began(folder)
        _merge_dead(folder)
        yield


def _merge_dead(folder: Path) -> None:
    dead: dict[str, list[Path]] = defaultdict(list)
    for path in folder.glob("*_*.db"):
        kind, _, pid = path.stem.rpartition("_")
        if pid.isdigit() and pid != "0" and not is_held(path):
            dead[kind].append(path)
    for kind, paths in sorted(dead.items()):
        if kind in _KEPT:
            _add_up(folder, f"{kind}_0.db", paths)
        else:
            for path in paths:
                path.unlink()


def _add_up(folder: Path, name: str, paths: list[Path]) -> None:
    """Add the files to the sum in `name`; with a journal a later call can finish after a crash."""
    sums: dict[str, float] = defaultdict(float)
    for path in [folder / name, *paths]:
        # The file may be missing, if no process ended before. It may be unreadable, if its process
        # was killed while it created the file.
        with suppress(FileNotFoundError, struct.error):
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):
                sums[key] += value
    new = folder / _NEW
    new.unlink(missing_ok=True)
    target = MmapedDict(str(new))
    for key, value in sums.items():
        target.write_value(key, value, 0.0)
    target.close()
    left = {"name": name, "dead": [path.name for path in paths]}
    atomic_file.write(folder / _JOURNAL, json.dumps(left).encode())
    _end_what_began(folder)


def _end_what_began(folder: Path) -> None:
    journal = folder / _JOURNAL
    try:
        left = json.loads(journal.read_text())
    except FileNotFoundError:
        return
    with suppress(FileNotFoundError):  # it was renamed before the crash
        (folder / _NEW).rename(folder / left["name"])
    for name in left["dead"]:
        (folder / name).unlink(missing_ok=True)
    journal.unlink()
