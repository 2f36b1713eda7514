"""The memory of the upload service's processes."""

from __future__ import annotations

from pathlib import Path

from tests.servers.wharf.instance import Wharf

_KILOBYTES = 1e3


def memory_megabytes(wharf: Wharf) -> float:
    """Return the memory of upload's processes in MB. Shared memory counts once (PSS)."""
    return round(sum(map(_kilobytes, wharf.processes("upload"))) / _KILOBYTES, 1)


def _kilobytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
