"""The declarations of the operations on `/v1/webhooks`."""

from __future__ import annotations

from servicekit.operations import Answer, Operation
from servicekit.problems import (
    MALFORMED,
    NOT_FOUND,
    TENANT_LIMIT,
    UNPROCESSABLE,
    UNSUPPORTED_MEDIA,
)
from wharf_upload.http import webhook_schemas as schemas
from wharf_upload.problems import (
    ENDPOINT_NOT_ALLOWED,
    EVENT_CURSOR_EXPIRED,
    INVALID_KEY,
    OUTSIDE_GRANTS,
    REPLAY_UNDER_WAY,
)
from wharf_upload.routes import webhook_bodies as bodies

TAG = "webhooks"
_BODY = (MALFORMED, UNPROCESSABLE, UNSUPPORTED_MEDIA)

CREATE = Operation(
    id="createWebhook",
    tag=TAG,
    summary="Create an endpoint that receives events",
    description="Wharf sends each later event that passes the filter to the URL, as a `POST` with "
    "a CloudEvents body that is signed by Standard Webhooks. Only this response and "
    "`rotateWebhookSecret` show the signing secret. A tenant has at most 20 endpoints. The caller "
    "must reach all files of the tenant.",
    body=bodies.NewEndpoint,
    answers={201: Answer("The endpoint and its secret.", schemas.EndpointWithSecret)},
    problems=(*_BODY, INVALID_KEY, ENDPOINT_NOT_ALLOWED, OUTSIDE_GRANTS, TENANT_LIMIT),
)
LIST = Operation(
    id="listWebhooks",
    tag=TAG,
    summary="List the endpoints",
    answers={200: Answer("The endpoints, the oldest first.", schemas.Endpoints)},
    problems=(OUTSIDE_GRANTS,),
)
GET = Operation(
    id="getWebhook",
    tag=TAG,
    summary="Read an endpoint",
    answers={200: Answer("The endpoint, without its secret.", schemas.EndpointDocument)},
    problems=(NOT_FOUND, OUTSIDE_GRANTS),
)
CHANGE = Operation(
    id="changeWebhook",
    tag=TAG,
    summary="Change an endpoint, or pause it",
    body=bodies.EndpointChange,
    answers={200: Answer("The changed endpoint.", schemas.EndpointDocument)},
    problems=(*_BODY, NOT_FOUND, INVALID_KEY, ENDPOINT_NOT_ALLOWED, OUTSIDE_GRANTS),
)
DELETE = Operation(
    id="deleteWebhook",
    tag=TAG,
    summary="Delete an endpoint and its deliveries",
    answers={204: Answer("The endpoint no longer exists.")},
    problems=(NOT_FOUND, OUTSIDE_GRANTS),
)
TEST = Operation(
    id="testWebhook",
    tag=TAG,
    summary="Send a test event",
    description="The test has the type `dev.wharf.webhook.test`. `getWebhookDelivery` shows its "
    "result; a test that fails is tried again like an event.",
    answers={202: Answer("The delivery of the test.", schemas.DeliveryDocument)},
    problems=(NOT_FOUND, OUTSIDE_GRANTS),
)
ROTATE = Operation(
    id="rotateWebhookSecret",
    tag=TAG,
    summary="Replace the signing secret",
    description="For 24 hours, the old secret signs along, so that receivers can change over. A "
    "second rotation ends the oldest secret at once.",
    answers={200: Answer("The endpoint and its new secret.", schemas.EndpointWithSecret)},
    problems=(NOT_FOUND, OUTSIDE_GRANTS),
)
ENABLE = Operation(
    id="enableWebhook",
    tag=TAG,
    summary="Enable an endpoint again",
    body=bodies.Enabling,
    body_required=False,
    answers={200: Answer("The endpoint.", schemas.EndpointDocument)},
    problems=(*_BODY, NOT_FOUND, OUTSIDE_GRANTS),
)
REPLAY = Operation(
    id="replayWebhook",
    tag=TAG,
    summary="Deliver events again",
    description="Receivers get the same `webhook-id` as before. Events whose delivery is open are "
    "left out. `replay` of the endpoint shows the progress.",
    body=bodies.ReplayRequest,
    answers={202: Answer("The endpoint with its replay.", schemas.EndpointDocument)},
    problems=(*_BODY, NOT_FOUND, EVENT_CURSOR_EXPIRED, OUTSIDE_GRANTS, REPLAY_UNDER_WAY),
)
DELIVERIES = Operation(
    id="listWebhookDeliveries",
    tag=TAG,
    summary="List the deliveries of an endpoint, newest events first",
    description="Tests come last. Deliveries that have ended are kept for 30 days.",
    query=bodies.DeliveryQuery,
    answers={200: Answer("A page of deliveries.", schemas.DeliveryPage)},
    problems=(MALFORMED, NOT_FOUND, EVENT_CURSOR_EXPIRED, OUTSIDE_GRANTS),
)
DELIVERY = Operation(
    id="getWebhookDelivery",
    tag=TAG,
    summary="Read the delivery of an event or of a test",
    answers={200: Answer("The delivery.", schemas.DeliveryDocument)},
    problems=(MALFORMED, NOT_FOUND, EVENT_CURSOR_EXPIRED, OUTSIDE_GRANTS),
)
RETRY = Operation(
    id="retryWebhookDelivery",
    tag=TAG,
    summary="Deliver an event again",
    description="A delivery that has ended begins again with all its tries. An open delivery is "
    "tried at once.",
    answers={202: Answer("The delivery.", schemas.DeliveryDocument)},
    problems=(MALFORMED, NOT_FOUND, EVENT_CURSOR_EXPIRED, OUTSIDE_GRANTS),
)
