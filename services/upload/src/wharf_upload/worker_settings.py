"""Settings of the worker."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.settings import setting


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """The settings for the background work."""

    sweep_seconds: int = setting(
        60, doc="The pause between two runs of the worker's sweeper, in seconds.", minimum=1
    )
    upload_worker: bool = setting(
        False,
        doc=(
            "Whether the service does the background work itself. If `false`, run "
            "`wharf-upload worker` as a separate process, as `make run` does."
        ),
    )
    worker_metrics_port: int = setting(
        0,
        doc=(
            "The port on which `wharf-upload worker` or `wharf-upload jobs` serves its metrics, on "
            "all addresses, for Prometheus only. 0: no such port. The metrics of a worker inside "
            "the service, and of the worker of `make run`, are among the metrics of the service."
        ),
        minimum=0,
        maximum=65535,
    )
