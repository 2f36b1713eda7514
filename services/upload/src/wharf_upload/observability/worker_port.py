"""The metrics port of a worker, or a runner of jobs, that is a separate process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import partial

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.core import Metric

from servicekit.metrics import processes
from servicekit.metrics.flushing import flush, flush_each_second
from servicekit.metrics.scraping import LookedUp
from wharf_upload import __version__
from wharf_upload.domain.jobs import LaneState
from wharf_upload.maintenance.worker_report import Report
from wharf_upload.observability import lane_metrics, metrics

# The prefixes of the service's metrics that the worker counts too.
_SHOWN = (
    *("wharf_sweeper_", "wharf_database_", "wharf_upload_store_", "wharf_jobs_"),
    "wharf_webhook_",
)


class WorkerPort:
    """Serves the metrics on `port` of all addresses; `service` names the kind of the process.

    `publish` takes the worker's reports, and `publish_lanes` the states of lanes.
    """

    def __init__(self, port: int, service: str = "worker") -> None:
        self._report: Report | None = None
        self._lanes: Mapping[str, LaneState] = {}
        registry = CollectorRegistry()
        registry.register(
            LookedUp(
                (
                    self._counted,
                    self._reported,
                    partial(processes.build, service, __version__),
                    processes.usage,
                )
            )
        )
        self.server, _ = start_http_server(port, registry=registry)
        threading.Thread(target=flush_each_second, args=(threading.Event(),), daemon=True).start()

    def publish(self, report: Report) -> None:
        """Export this report from now on."""
        self._report = report

    def publish_lanes(self, states: Mapping[str, LaneState]) -> None:
        """Export these states from now on."""
        self._lanes = states

    def _reported(self) -> Iterator[Metric]:
        if self._report is not None:
            yield from metrics.families(self._report)
        yield from lane_metrics.families(self._lanes)

    @staticmethod
    def _counted() -> Iterator[Metric]:
        flush()
        # A family without samples belongs to a part that this installation does not use.
        return (
            family
            for family in REGISTRY.collect()
            if family.name.startswith(_SHOWN) and family.samples
        )
