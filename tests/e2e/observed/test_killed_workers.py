"""Counters when processes of a real uWSGI are killed: no counter falls or counts twice."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.observed.scraping import scrape
from tests.servers.wharf.api_client import SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import until

ROUTE = "/v1/files/{bucket}/{key}"
FOLDER = "run/metrics-upload"


def counted(wharf: Wharf) -> float:
    """Return how many PUTs of files with the status 201 the service has counted."""
    return scrape(wharf, "upload").sum(
        "wharf_http_requests_total", route=ROUTE, method="PUT", status="201"
    )


def workers(wharf: Wharf) -> list[int]:
    """Return the ids of the processes that have counted requests, from the files of metrics."""
    names = os.listdir(wharf.data / FOLDER)
    pids = {int(name[8:-3]) for name in names if name.startswith("counter_")}
    return [pid for pid in wharf.processes("upload") if pid in pids]


def kill_workers(wharf: Wharf) -> None:
    """Kill the processes that have counted requests, except the master, which starts new ones."""
    master = min(wharf.processes("upload"), key=started_at)
    for pid in workers(wharf):
        if pid != master:
            os.kill(pid, signal.SIGKILL)


def started_at(pid: int) -> int:
    """Return when a process was started, in the kernel's ticks."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def memory_bytes(wharf: Wharf, kind: str) -> float:
    """Return the memory of the processes of a kind in bytes."""
    return scrape(wharf, "upload").sum("wharf_process_resident_memory_bytes", process=kind)


def put(api: ApiClient, key: str) -> None:
    """Store a file; if a dying process loses the request, repeat it with another key."""
    tries = iter(range(100))
    assert until(lambda: api.put(f"{key}-{next(tries)}", SMALL).status == 201)


@pytest.mark.parametrize("round_", range(2))
def test_counts_outlive_the_workers(wharf: Wharf, api: ApiClient, round_: int) -> None:
    """The counts of killed workers stay in the sum, but their gauges and files are removed."""
    before = counted(wharf)
    restarts = scrape(wharf, "upload").sum("wharf_http_worker_restarts_total")
    for number in range(10):
        put(api, f"{round_}-{number}")
    assert until(lambda: counted(wharf) == before + 10)
    kill_workers(wharf)
    put(api, f"{round_}-after")
    assert until(lambda: counted(wharf) == before + 11), counted(wharf) - before
    found = scrape(wharf, "upload")
    assert found.sum("wharf_http_worker_restarts_total") >= restarts + 1
    # The scrape itself is one request in progress.
    assert until(lambda: scrape(wharf, "upload").sum("wharf_http_requests_in_progress") <= 1)
    # The worker counts in the same folder.
    living = {*wharf.processes("upload"), *wharf.processes("worker")}
    for name in os.listdir(wharf.data / FOLDER):
        pid = name.rpartition("_")[2].partition(".")[0]
        if name.endswith(".db"):
            assert pid == "0" or int(pid) in living, name


def test_cpu_time_never_falls(wharf: Wharf, api: ApiClient) -> None:
    """The CPU time of killed workers stays in the sum; otherwise rate() would show a jump."""
    before = scrape(wharf, "upload").sum("wharf_process_cpu_seconds_total")
    assert before > 0
    kill_workers(wharf)
    put(api, "cpu")
    assert scrape(wharf, "upload").sum("wharf_process_cpu_seconds_total") >= before
    for kind in ("master", "worker", "mule"):
        # uWSGI restarts killed processes in sequence, with pauses.
        assert until(lambda kind=kind: memory_bytes(wharf, kind) > 1 << 20), kind
