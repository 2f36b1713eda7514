"""Metrics of a service's processes and of uWSGI's load; each scrape reads them."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_TICKS = os.sysconf("SC_CLK_TCK")
# The most readings of the CPU times, if children end during each reading.
_READINGS = 5


def build(service: str, version: str) -> Iterator[Metric]:
    """Yield the metric with the service, its version and Python's version."""
    family = GaugeMetricFamily(
        "wharf_build_info", "Always 1; the labels name the running code.", labels=_BUILD_LABELS
    )
    family.add_metric((service, version, platform.python_version()), 1)
    yield family


_BUILD_LABELS = ("service", "version", "python")


def usage() -> Iterator[Metric]:
    """Yield the CPU time, memory and descriptors of master, workers and mule."""
    processes = _processes()
    master = next((pid for pid, kind in processes.items() if kind == "master"), os.getpid())
    yield CounterMetricFamily(
        "wharf_process_cpu_seconds",
        "CPU time of all processes of the service, those that ended included.",
        value=_all_cpu_seconds(master),
    )
    memory = GaugeMetricFamily(
        "wharf_process_resident_memory_bytes",
        "Memory (PSS: a shared page is divided among its processes).",
        labels=("process",),
    )
    files = GaugeMetricFamily(
        "wharf_process_open_fds",
        "Open descriptors of the process that has the most.",
        labels=("process",),
    )
    for kind in sorted(set(processes.values())):
        pids = [pid for pid, its in processes.items() if its == kind]
        memory.add_metric((kind,), sum(_pss_bytes(pid) for pid in pids))
        files.add_metric((kind,), max(_descriptors(pid) for pid in pids))
    yield memory
    yield GaugeMetricFamily(
        "wharf_memory_limit_bytes",
        "Memory that the service may have: the container's limit, else the machine's memory.",
        value=memory_limit(),
    )
    yield files
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield GaugeMetricFamily(
        "wharf_process_max_fds", "Descriptors that one process may have.", value=limit
    )
    yield GaugeMetricFamily(
        "wharf_process_start_time_seconds",
        "When the service was started, in unix seconds.",
        value=_started_at(master),
    )


def memory_limit(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the memory that the service may use, in bytes.

    The result is the minimum of the machine's memory and of the limits of the control groups of
    this process. The function reads versions 1 and 2 of control groups (cgroups(7)). A parent group
    may have a lower limit. Inside a container the container's own group is the root.
    """
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError, StopIteration):
        lines = (proc / "self/cgroup").read_text(encoding="utf-8").splitlines()
        name = next(line[3:] for line in lines if line.startswith("0::"))
        own = groups / name.lstrip("/")
        for folder in (own, *own.parents):
            limits += _limit(folder / "memory.max")
            if folder == groups:
                break
    limits += _limit(groups / "memory/memory.limit_in_bytes")
    return min(limits)


def _limit(path: Path) -> list[int]:
    """Return the number in the file, or an empty list if there is no limit ("max") or no file."""
    with suppress(OSError, ValueError):
        return [int(path.read_text(encoding="ascii"))]
    return []


def server() -> Iterator[Metric]:
    """Yield the metrics of uWSGI's threads and queue, or nothing outside of uWSGI."""
    uwsgi = _uwsgi()
    if uwsgi is None:
        return
    yield GaugeMetricFamily(
        "wharf_http_threads",
        "Threads that can take requests.",
        value=uwsgi.numproc * max(1, uwsgi.cores),
    )
    yield GaugeMetricFamily(
        "wharf_http_listen_queue",
        "Connections that wait for a thread.",
        value=uwsgi.listen_queue(),
    )
    yield CounterMetricFamily(
        "wharf_http_worker_restarts",
        "Workers that were started again.",
        value=sum(worker["respawn_count"] for worker in uwsgi.workers()),
    )


def _uwsgi() -> Any:
    try:
        import uwsgi
    except ImportError:
        return None  # this process does not run in uWSGI
    return uwsgi


def _processes() -> Mapping[int, str]:
    """Return the kind of each process of the service by its id."""
    uwsgi = _uwsgi()
    if uwsgi is None:
        return {os.getpid(): "worker"}
    master = uwsgi.masterpid()
    if not master:
        return {os.getpid(): "worker"}
    workers = {worker["pid"] for worker in uwsgi.workers()}
    children: set[int] = set()
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{master}/task"):
            with open(f"/proc/{master}/task/{thread}/children", encoding="ascii") as file:
                children.update(int(pid) for pid in file.read().split())
    return {
        master: "master",
        **{pid: "worker" if pid in workers else "mule" for pid in sorted(children)},
    }


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat (proc(5)) from the third on, or [] for no process."""
    with suppress(OSError), open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()
    return []


def _all_cpu_seconds(master: int) -> float:
    """Return the CPU time of all processes of the service, including ended ones, in seconds.

    If a child ends during the reading, its time may be missing: the process does not exist any
    more, and the master's time did not include it yet. So the function reads all times again until
    no child has ended during a reading.
    """
    ticks, ended = 0, _ended_ticks(master)
    for _ in range(_READINGS):
        ticks = sum(_ticks(pid) for pid in _processes())
        before, ended = ended, _ended_ticks(master)
        if ended == before:
            break
    return ticks / _TICKS


def _ticks(pid: int) -> int:
    # utime and stime of the process and of its reaped children: fields 14 to 17.
    fields = _stat(pid)
    if fields[:1] == ["X"]:
        return 0  # the master is reaping it: the master's time has or will have its time
    return sum(int(field) for field in fields[11:15])


def _ended_ticks(pid: int) -> int:
    """Return the ticks of the reaped children of a process."""
    return sum(int(field) for field in _stat(pid)[13:15])


def _started_at(pid: int) -> float:
    fields = _stat(pid)
    if not fields:
        return 0.0
    with open("/proc/stat", encoding="ascii") as file:
        booted = next(int(line.split()[1]) for line in file if line.startswith("btime "))
    return booted + int(fields[19]) / _TICKS


def _pss_bytes(pid: int) -> int:
    with suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _descriptors(pid: int) -> int:
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0
