"""The files in which processes count (prometheus_client's multi-process mode), kept right and few.

Each process has files of its own, by its id. When it has ended, its counters must go on to count,
and its gauges must not; and a service whose workers are replaced for months must not collect files
without end. So what the dead have counted is added to one file, `…_0.db`: a restart of a worker
resets nothing, and nothing is counted twice, wherever this is cut off.
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

# Not typed.
MmapedDict: Any = mmap_dict.MmapedDict
# What adds up over processes, and over their lives.
_KEPT = ("counter", "histogram")
_JOURNAL, _NEW = "merging.json", "merging.new"


def is_held(path: Path) -> bool:
    """Whether the process that this file is named for has it open.

    That a process of the id runs says nothing: ids come again. And whose child it is says nothing
    either: while a service is restarted the new processes count beside the old ones.
    """
    folder = f"/proc/{path.stem.rpartition('_')[2]}/fd"
    try:
        for descriptor in os.listdir(folder):
            with suppress(FileNotFoundError):  # closed meanwhile
                if os.readlink(f"{folder}/{descriptor}") == str(path):
                    return True
    except (FileNotFoundError, ProcessLookupError):
        return False
    except PermissionError:
        return True  # somebody's it is
    return False


@contextmanager
def merged(folder: Path) -> Iterator[None]:
    """While the files are read: nobody merges, and of the dead there is one file of each kind."""
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
    left = {"name": name, "dead": [path.name for path in paths]}
    atomic_file.write(folder / _JOURNAL, json.dumps(left).encode())
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
