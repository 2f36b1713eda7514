"""The fan-out: makes deliveries of the events of all tenants, once a second."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from servicekit.database import DatabaseUnavailable
from wharf_upload.database.webhook_contract import FanOutRecords

log = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0
_ENDPOINTS_A_TIME = 1000


class FanOut:
    """Makes deliveries while it is this worker's turn."""

    def __init__(self, records: FanOutRecords, is_ours: Callable[[], bool]) -> None:
        self._records, self._is_ours = records, is_ours

    def run(self, stop: threading.Event) -> None:
        """Make deliveries until `stop` is set."""
        while not stop.wait(_PAUSE_SECONDS):
            try:
                if self._is_ours():
                    self.step()
            except DatabaseUnavailable as error:
                log.warning("events will be delivered later: %s", error)
            except Exception:
                # Without this thread no endpoint would hear any event.
                log.exception("events will be delivered later")

    def step(self) -> int:
        """Make deliveries of the next events of each endpoint; return how many endpoints had some.

        Raises `DatabaseUnavailable`.
        """
        count, last = 0, ("", "")
        while found := self._records.behind(last, _ENDPOINTS_A_TIME):
            for last in found:
                count += self._made(*last)
        return count

    def _made(self, tenant: str, endpoint: str) -> bool:
        """Make deliveries of an endpoint; an error must not stop the endpoints after it."""
        try:
            return self._records.fan_out(tenant, endpoint)
        except Exception:
            fields = {"tenant": tenant, "endpoint": endpoint}
            log.exception("an endpoint's events will be delivered later", extra={"fields": fields})
            return False
