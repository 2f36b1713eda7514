"""The metrics port of a worker that is a separate process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.core import Metric

from servicekit.metrics import processes
from servicekit.metrics.flushing import flush, flush_each_second
from servicekit.metrics.scraping import LookedUp
from wharf_upload import __version__
from wharf_upload.maintenance.worker_report import Report
from wharf_upload.observability import metrics

# The prefixes of the service's metrics that the worker counts too.
_SHOWN = ("wharf_sweeper_", "wharf_database_", "wharf_upload_store_")


class WorkerPort:
    """Serves the metrics on `port` of all addresses; `publish` takes the worker's reports."""

    def __init__(self, port: int) -> None:
        self._report: Report | None = None
        registry = CollectorRegistry()
        registry.register(
            LookedUp(
                (
                    self._counted,
                    self._reported,
                    partial(processes.build, "worker", __version__),
                    processes.usage,
                )
            )
        )
        self.server, _ = start_http_server(port, registry=registry)
        threading.Thread(target=flush_each_second, args=(threading.Event(),), daemon=True).start()

    def publish(self, report: Report) -> None:
        """Export this report from now on."""
        self._report = report

    def _reported(self) -> Iterator[Metric]:
        if self._report is not None:
            yield from metrics.families(self._report)

    @staticmethod
    def _counted() -> Iterator[Metric]:
        flush()
        # A family without samples belongs to a part that this installation does not use.
        return (
            family
            for family in REGISTRY.collect()
            if family.name.startswith(_SHOWN) and family.samples
        )
