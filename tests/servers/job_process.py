"""Processes that dispatch and run jobs of the lane `test`, which tests kill, stop and wake.

`python -m tests.servers.job_process worker` dispatches jobs, and runs them with the engine
`threads`. `… jobs` runs the jobs of the engine `dramatiq`. Both read the settings of
the upload service, and append a line `subject turn process` to the file `runs` in `WHARF_DATA`
when a handler begins. A second argument replaces the number of jobs that run at the same time.

The first run of a job with a subject `held…` waits until the file `go` exists in `WHARF_DATA`, and
every other job takes a moment.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec

from servicekit import logs, settings
from tests.servers.jobs import effect
from wharf_upload import bootstrap, job_bootstrap
from wharf_upload.domain.jobs import Done, Effects, Job, Lane, Outcome, Waits
from wharf_upload.jobs.handlers import Fence, LaneOfJobs
from wharf_upload.settings import Settings

AT_ONCE, LEASE_SECONDS = 16, 2.0
LANE = Lane(
    name="test",
    lease_seconds=LEASE_SECONDS,
    window=AT_ONCE,
    at_once=AT_ONCE,
    tries=50,
    waits=Waits(0.1),
)
_MOMENT_SECONDS = 0.002


class Handler:
    """Has the effect that `tests.servers.jobs` counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = os.open(folder / "runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def run(self, job: Job, _: Fence) -> Outcome:
        """Note the run, and return the effect."""
        os.write(self._runs, f"{job.subject} {job.turn} {os.getpid()}\n".encode())
        if job.subject.startswith("held") and self._is_first(job.subject):
            while not (self._folder / "go").exists():
                time.sleep(0.01)
        time.sleep(_MOMENT_SECONDS)
        return Done(effect(job))

    def _is_first(self, subject: str) -> bool:
        """Tell whether no process has called this for the subject before."""
        try:
            (self._folder / f"begun-{subject}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def gave_up(self, _job: Job, _why: str) -> Effects | None:
        """Return no effect."""
        return None


def main(role: str, at_once: str = str(AT_ONCE)) -> None:
    """Run until TERM."""
    lane = msgspec.structs.replace(LANE, at_once=int(at_once), window=int(at_once))
    own = settings.read(Settings)
    logs.configure("worker", own.log_level)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    backends = bootstrap.open_backends(own)
    lanes = {"test": LaneOfJobs(lane, Handler(own.data))}
    if role == "jobs":
        job_bootstrap.run_workers(own, backends, lanes, stop)
    else:
        job_bootstrap.run_jobs(own, backends, lanes, stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
