"""The worker as a separate process: background work that must not delay requests.

It sweeps, and it dispatches jobs. With the engine `threads` it also runs the jobs.
"""

from __future__ import annotations

import threading

from wharf_upload import bootstrap, job_bootstrap, webhook_bootstrap
from wharf_upload.job_settings import DRAMATIQ
from wharf_upload.processes import background, ready_files
from wharf_upload.settings import Settings


def run_until_signal(settings: Settings) -> None:
    """Run the background work until TERM or INT; raises `SettingsError`."""
    if settings.jobs_engine != DRAMATIQ:
        # This process signs webhooks itself.
        settings.check_seals(data_shared=settings.data_shared)
    stop = background.stop_at_signal()
    name = f"worker-{settings.instance}"
    heard = background.follow_feed(settings, name, settings.data / "upload" / name, stop)
    backends = bootstrap.open_backends(settings)
    # In a thread, so an object store that does not respond does not stop the worker.
    threading.Thread(target=bootstrap.prepare_object_store, args=(settings,), daemon=True).start()
    lanes = job_bootstrap.lanes(settings, backends, heard=heard)
    publishers = background.open_metrics(settings, "worker", stop)
    publish = publishers.report if publishers else lambda _: None
    publish_lanes = publishers.lanes if publishers else lambda _: None
    jobs = threading.Thread(
        target=job_bootstrap.run_jobs,
        args=(settings, backends, lanes, stop, publish_lanes),
        name="jobs",
    )
    fan_out = threading.Thread(
        target=webhook_bootstrap.run_fan_out, args=(settings, backends, stop), name="fan-out"
    )
    jobs.start()
    fan_out.start()
    ready_files.write()
    try:
        bootstrap.worker_loop(settings, backends, publish, heard=heard).run(stop)
    finally:
        # A process without its sweeper must end, so that it is started again.
        stop.set()
    jobs.join()
    fan_out.join()
