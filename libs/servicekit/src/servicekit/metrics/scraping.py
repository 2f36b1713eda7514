"""`GET /metrics`: the counters of all processes, and values that each scrape reads.

The route serves only requests that came through the gateway's internal port. For these nginx sets
the uwsgi parameter `WHARF_INTERNAL`, which no client can set, since it lacks the prefix `HTTP_`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_flask_exporter import PrometheusMetrics

from servicekit.metrics import processes, shared_files
from servicekit.metrics.flushing import flush
from servicekit.problems import NOT_FOUND
from servicekit.protected_routes import protected
from servicekit.protection import public

log = logging.getLogger(__name__)
Lookup = Callable[[], Iterable[Metric]]
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def is_internal(environ: Mapping[str, Any]) -> bool:
    """Tell whether the request came through the gateway's internal port."""
    return environ.get("WHARF_INTERNAL") == "1"


class LookedUp:
    """A collector of metrics that each scrape reads."""

    def __init__(self, lookups: Iterable[Lookup]) -> None:
        self._lookups = tuple(lookups)

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; if a lookup fails, only its metrics are missing."""
        for lookup in self._lookups:
            try:
                found = list(lookup())
            except Exception:  # during a failure the other metrics are needed most
                log.exception("a metric cannot be read")
                continue
            yield from found


def install(app: Flask, version: str, lookups: Iterable[Lookup] = ()) -> None:
    """Add `GET /metrics` for the internal port; `lookups` are the service's own metrics."""
    # The exporter detects whether one process counts or several (ADR 39).
    exporter = PrometheusMetrics.for_app_factory(path=None, export_defaults=False)
    looked_up = CollectorRegistry()
    looked_up.register(
        LookedUp(
            (
                lambda: processes.build(app.name, version),
                processes.usage,
                processes.server,
                *lookups,
            )
        )
    )

    def metrics() -> Response:
        if not is_internal(request.environ):
            raise NOT_FOUND("Nothing is here.")
        flush()
        with _unmerged():
            counted, _ = exporter.generate_metrics()
        return Response(
            counted + generate_latest(looked_up).decode(), content_type=CONTENT_TYPE_LATEST
        )

    view = protected(metrics, public("Prometheus has no token; only the internal port reaches it"))
    app.add_url_rule("/metrics", view_func=view, methods=["GET"])


def _unmerged() -> AbstractContextManager[None]:
    folder = os.environ.get(_FOLDER)
    return shared_files.merged(Path(folder)) if folder else nullcontext()
