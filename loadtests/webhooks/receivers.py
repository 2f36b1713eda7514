"""The endpoints of a measurement: healthy ones of several tenants, and one that is dead."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from loadtests.webhooks.delays import delays
from tests.servers.webhook_receiver import WebhookReceiver
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.webhooks import SCOPES, created

_TENANTS = 5
# A delivery that failed by chance is repeated after 5 s.
_ARRIVAL_SECONDS = 60.0
_UNANSWERED = 1024


class Healthy:
    """Endpoints that answer immediately, an equal number in each tenant."""

    def __init__(self, wharf: Wharf, receiver: WebhookReceiver, endpoints: int) -> None:
        signer = Signer(wharf)
        self._receiver, self._each, self._count = receiver, endpoints // _TENANTS, 0
        self._tenants = [
            signer.client(tid=f"hooked-{number}", scope=" ".join(SCOPES))
            for number in range(_TENANTS)
        ]
        for number in range(self._each * _TENANTS):
            api = self._tenants[number % _TENANTS]
            created(api, f"http://{receiver.host}/{number}")

    @property
    def neighbour(self) -> ApiClient:
        """Return a tenant for the dead endpoint."""
        return self._tenants[0]

    def measured(self, uploads: int, pause: float) -> list[float]:
        """Upload files, tenant after tenant; return the delays in ms of all deliveries."""
        begin = len(self._receiver.received)
        for _ in range(uploads):
            self._count += 1
            self._tenants[self._count % _TENANTS].stored(f"{self._count}.txt")
            time.sleep(pause)
        return self._delays(begin, uploads * self._each)

    def _delays(self, begin: int, expected: int) -> list[float]:
        """Wait for so many deliveries after the first `begin` requests; return their delays."""
        found: list[float] = []

        def have_arrived() -> bool:
            requests = self._receiver.received[begin:]
            if len(requests) >= expected:
                found[:] = delays(requests)
            return len(found) >= expected

        assert until(have_arrived, _ARRIVAL_SECONDS), f"{expected} deliveries did not arrive"
        return found


@contextmanager
def dead_endpoint(api: ApiClient) -> Iterator[None]:
    """Give a tenant an endpoint whose receiver accepts requests and answers none.

    At the end of the block, the requests that wait for an answer fail immediately.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_UNANSWERED)
        hook = created(api, f"http://127.0.0.1:{listener.getsockname()[1]}/dead")
        yield
        states = {delivery["state"] for delivery in hook.deliveries()}
        assert states == {"open"}, f"deliveries of the dead endpoint: {states}"
    answer = api.request("DELETE", hook.path)
    assert answer.status == 204, answer.body
