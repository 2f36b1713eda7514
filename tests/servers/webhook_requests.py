"""An upload service with endpoints of webhooks, for unit tests: nothing is sent."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from werkzeug.test import TestResponse

from tests.servers.narrowed import slug
from tests.servers.upload import TENANT, UploadService
from wharf_upload import webhook_bootstrap
from wharf_upload.domain.webhooks import DELIVERY_LANE, Answer, tried

SCOPE = "webhooks:admin"
#: The operator of the test allows hosts at this address, so no name has to be resolved.
ALLOWED = "127.0.0.9"
URL = f"http://{ALLOWED}:9000/hook"
_JSON = {"Content-Type": "application/json"}


@dataclass
class Endpoints:
    """Requests to `/v1/webhooks`, and the work of the worker."""

    upload: UploadService

    def ask(self, method: str, path: str = "", body: object = None, **claims: Any) -> TestResponse:
        """Send a request of a client with the scope of webhooks, unless `claims` change that."""
        token = self.upload.issuer.token(**{"scope": SCOPE, **claims})
        sent = b"" if body is None else json.dumps(body).encode()
        fields = {"Authorization": f"Bearer {token}", **_JSON}
        return self.upload.request(method, f"/v1/webhooks{path}", sent, fields)

    def create(self, **fields: Any) -> Any:
        """Create an endpoint; return its document."""
        reply = self.ask("POST", "", {"url": URL, **fields})
        assert reply.status_code == 201, reply.text
        return json.loads(reply.data)["endpoint"]

    def found(self, endpoint: str, path: str = "") -> Any:
        """Return the document of an endpoint, or of a path below it."""
        reply = self.ask("GET", f"/{endpoint}{path}")
        assert reply.status_code == 200, reply.text
        return json.loads(reply.data)

    def fan_out(self, endpoint: str) -> None:
        """Make the deliveries of all events, as the worker does."""
        while self.upload.records.fan_out.fan_out(TENANT, endpoint):
            pass

    def answer(self, endpoint: str, **answer: Any) -> None:
        """Let the receiver of an endpoint answer all deliveries that are due."""
        records = self.upload.records
        share = f"{TENANT}/{endpoint}"
        for turn in records.jobs.take(DELIVERY_LANE, {share: 100}, 30):
            job = records.jobs.begin(turn)
            assert job is not None
            known = records.endpoints.endpoint(TENANT, endpoint)
            seq = int(job.subject.rpartition("/")[2])
            delivery = records.deliveries.delivery(TENANT, endpoint, seq)
            assert known is not None
            assert delivery is not None
            result = tried(delivery, Answer(**{"at": int(time.time() * 1000), **answer}))
            effects = records.deliveries.tried(known, delivery, result)
            if result.wait_seconds is None:
                records.jobs.done(job, effects)
            else:
                records.jobs.again(job, result.wait_seconds, "The try failed.", effects=effects)


def endpoints_of(upload: UploadService) -> Endpoints:
    """Return an upload service like this one whose operator allows `ALLOWED`, with its keys."""
    service = upload.restarted(durability="relaxed", webhook_allow=ALLOWED)
    webhook_bootstrap.ensure_keys(service.settings)
    return Endpoints(service)


def problem(reply: TestResponse) -> tuple[int, str]:
    """Return the status and the kind of a problem."""
    return reply.status_code, slug(reply)
