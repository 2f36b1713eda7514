"""A process that runs jobs of the engine `dramatiq`; any number of them may run."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from servicekit.settings import SettingsError
from wharf_upload import bootstrap, job_bootstrap
from wharf_upload.job_settings import DRAMATIQ
from wharf_upload.processes import background
from wharf_upload.settings import Settings


def run_until_signal(settings: Settings) -> None:
    """Run the jobs that the dispatcher sends through Redis, until TERM or INT.

    Raises `SettingsError` if the worker runs the jobs itself, or the sealing keys are missing.
    """
    if settings.jobs_engine != DRAMATIQ:
        raise SettingsError(
            "WHARF_JOBS_ENGINE=threads: the worker runs the jobs; this command is for "
            "WHARF_JOBS_ENGINE=dramatiq"
        )
    settings.check_seals(data_shared=settings.data_shared)
    stop = background.stop_at_signal()
    backends = bootstrap.open_backends(settings)
    # Several of these processes may have the same name, for example in compose.
    with TemporaryDirectory(prefix="wharf-jobs-") as folder:
        name = f"jobs-{settings.instance}"
        heard = background.follow_feed(settings, name, Path(folder), stop)
        lanes = job_bootstrap.lanes(settings, backends, heard=heard)
        background.open_metrics(settings, "jobs", stop)
        job_bootstrap.run_workers(settings, backends, lanes, stop)
