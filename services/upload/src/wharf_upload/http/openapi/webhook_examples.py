"""The examples of the operations on `/v1/webhooks`."""

from __future__ import annotations

from servicekit.examples import Example
from wharf_upload.domain.webhooks import Delivery, Endpoint, EventFilter
from wharf_upload.http import webhook_schemas as schemas
from wharf_upload.http.openapi import samples

_CREATED = 1_785_000_000_123
_ID = "019f9a4a7a7b7b21a9d1c2e3f4a50611"
_URL = "https://hooks.example.com/wharf"
_ENDPOINT = schemas.of_endpoint(
    Endpoint(
        tenant=samples.TENANT,
        id=_ID,
        url=_URL,
        description="Index new documents",
        filter=EventFilter(kinds=("file.created",), bucket=samples.BUCKET, prefix="notes/"),
        secrets=(),
        position=1000 * _CREATED,
        created_at=_CREATED,
    )
)
_DELIVERY = schemas.of_delivery(
    Delivery(
        tenant=samples.TENANT,
        endpoint=_ID,
        seq=1000 * _CREATED,
        kind="file.created",
        state="done",
        attempts=1,
        status=204,
        milliseconds=38,
        created_at=_CREATED,
        tried_at=_CREATED,
    )
)
_WITH_SECRET = {"endpoint": _ENDPOINT, "secret": "whsec_…"}

WEBHOOKS = {
    "createWebhook": Example(
        body={
            "url": _URL,
            "description": "Index new documents",
            "kinds": ["file.created"],
            "bucket": samples.BUCKET,
            "prefix": "notes/",
        },
        answers={201: _WITH_SECRET},
    ),
    "listWebhooks": Example(answers={200: schemas.Endpoints((_ENDPOINT,))}),
    "getWebhook": Example(answers={200: _ENDPOINT}),
    "changeWebhook": Example(
        bodies={"pause": {"paused": True}, "hear everything": {"kinds": [], "bucket": None}},
        answers={200: _ENDPOINT},
    ),
    "testWebhook": Example(answers={202: _DELIVERY}),
    "rotateWebhookSecret": Example(answers={200: _WITH_SECRET}),
    "enableWebhook": Example(body={"from": "now"}, answers={200: _ENDPOINT}),
    "replayWebhook": Example(
        bodies={
            "since a time": {"since": "2026-07-25T17:20:00Z"},
            "failed ones": {"after": samples.BEFORE, "failed_only": True},
        },
        answers={202: _ENDPOINT},
    ),
    "listWebhookDeliveries": Example(
        answers={200: schemas.DeliveryPage((_DELIVERY,), next_cursor=None)}
    ),
    "getWebhookDelivery": Example(answers={200: _DELIVERY}),
    "retryWebhookDelivery": Example(answers={202: _DELIVERY}),
}
