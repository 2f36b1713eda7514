"""Removes deliveries of webhooks from the log: old ones, and those of an endpoint with too many."""

from __future__ import annotations

from wharf_upload.database.webhook_contract import WebhookRecords

_PAGE = 500


class OldDeliveries:
    """Removes deliveries that have ended after `seconds`, and more than `most` of an endpoint."""

    def __init__(self, webhooks: WebhookRecords, seconds: float, most: int) -> None:
        self._endpoints, self._deliveries = webhooks.endpoints, webhooks.deliveries
        self._seconds, self._most = seconds, most

    def forget(self, now: float, *, of_all: bool) -> int:
        """Remove old deliveries; return how many. `now` is in unix seconds.

        `of_all`: also count the deliveries of each endpoint, which reads much more.
        """
        count = self._deliveries.forget_deliveries(int((now - self._seconds) * 1000))
        last = ("", "")
        while of_all and (page := self._endpoints.all_endpoints(last, _PAGE)):
            for one in page:
                last = (one.tenant, one.id)
                count += self._deliveries.forget_surplus(*last, self._most)
        return count
