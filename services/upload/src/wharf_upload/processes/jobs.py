"""A process that runs jobs of the engine `dramatiq`; any number of them may run."""

from __future__ import annotations

import signal
import threading

from wharf_upload import bootstrap, job_bootstrap
from wharf_upload.settings import Settings


def run_until_signal(settings: Settings) -> None:
    """Run the jobs that the dispatcher sends through Redis, until TERM or INT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    backends = bootstrap.open_backends(settings)
    lanes = job_bootstrap.lanes(settings, backends)
    job_bootstrap.run_workers(settings, backends, lanes, stop)
