"""A function that reads metrics from the internal port, as Prometheus does."""

from __future__ import annotations

from typing import overload

from tests.servers.exposition import Exposition
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import exchange, head


@overload
def scrape(wharf: Wharf, target: str) -> Exposition: ...
@overload
def scrape(wharf: Wharf, target: str, wanted: None) -> Exposition | None: ...
def scrape(wharf: Wharf, target: str, wanted: int | None = 200) -> Exposition | None:
    """Return the metrics of `/metrics/<target>`.

    If `wanted` is None, return None while the target is not available.
    """
    (answer,) = exchange(
        wharf.metrics_port, head(f"GET /metrics/{target} HTTP/1.1", "Connection: close")
    )
    if wanted is None and answer.status != 200:
        return None
    assert answer.status == 200, answer
    return Exposition(answer.body.decode())
