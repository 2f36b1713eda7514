"""The pages `/healthz`, `/readyz` and `/metrics`, for probes and Prometheus."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from wharf_images.maker import Answer
from wharf_images.metrics import CONTENT_TYPE, Metrics

_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


def pages(
    metrics: Metrics, trouble: Callable[[], str | None]
) -> dict[str, Callable[[Mapping[str, str]], Answer]]:
    """Return the pages by path.

    `trouble` returns the error for which no picture can be made, or `None`.
    """

    def healthz(_: Mapping[str, str]) -> Answer:
        return Answer(200, _JSON, b'{"status":"ok"}')

    def readyz(_: Mapping[str, str]) -> Answer:
        found = trouble()
        if found is None:
            return Answer(200, _JSON, b'{"status":"ready"}')
        body = json.dumps({"status": "unavailable", "down": {"sandbox": found}}).encode()
        return Answer(503, (*_JSON, ("Retry-After", "1")), body)

    def shown(_: Mapping[str, str]) -> Answer:
        return Answer(200, (("Content-Type", CONTENT_TYPE),), metrics.text().encode())

    return {"/healthz": healthz, "/readyz": readyz, "/metrics": shown}
