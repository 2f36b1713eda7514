"""A process that runs jobs of the engine `dramatiq`; any number of them may run."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from servicekit.feed_follower import FeedFollower
from wharf_upload import bootstrap, job_bootstrap
from wharf_upload.settings import Settings


def run_until_signal(settings: Settings) -> None:
    """Run the jobs that the dispatcher sends through Redis, until TERM or INT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    backends = bootstrap.open_backends(settings)
    with TemporaryDirectory(prefix="wharf-jobs-") as folder:
        # Deliveries of a deleted tenant must end, and this process may be alone on its machine.
        heard = Path(folder) / "revocations.jsonl"
        feed = FeedFollower(settings.feed_url, heard)
        threading.Thread(target=feed.run, args=(stop,), daemon=True).start()
        lanes = job_bootstrap.lanes(settings, backends, heard=heard)
        job_bootstrap.run_workers(settings, backends, lanes, stop)
