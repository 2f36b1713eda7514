"""Endpoints of webhooks in a running Wharf, through its API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.servers.webhook_receiver import Received
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.raw_http import until

SCOPES = ("files:read", "files:write", "files:delete", "events:read", "webhooks:admin")


@dataclass(frozen=True)
class Hook:
    """An endpoint, and its signing secret."""

    api: ApiClient
    id: str
    secret: str

    @property
    def path(self) -> str:
        """Return the endpoint's path in the API."""
        return f"/v1/webhooks/{self.id}"

    def deliveries(self) -> list[dict[str, Any]]:
        """Return the log of deliveries, the newest first."""
        found: list[dict[str, Any]] = self.api.get(f"{self.path}/deliveries").json()["deliveries"]
        return found

    def ended(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many deliveries have ended, and no more are open; return all."""

        def are_ended() -> bool:
            states = [one["state"] for one in self.deliveries()]
            return len(states) == count and "open" not in states

        assert until(are_ended), self.deliveries()
        return self.deliveries()

    def signed(self, request: Received) -> bool:
        """Tell whether the endpoint's secret has signed a request."""
        try:
            Webhook(self.secret).verify(request.body, request.fields)
        except WebhookVerificationError:
            return False
        return True


def created(api: ApiClient, url: str, **fields: Any) -> Hook:
    """Create an endpoint."""
    answer = api.send_json("POST", "/v1/webhooks", {"url": url, **fields})
    assert answer.status == 201, answer.body
    made = answer.json()
    return Hook(api, made["endpoint"]["id"], made["secret"])
