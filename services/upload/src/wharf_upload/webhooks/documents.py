"""The bodies of deliveries: events in the JSON format of CloudEvents 1.0."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from wharf_upload.domain.events import Event
from wharf_upload.domain.webhooks import TEST_KIND, Delivery

MEDIA_TYPE = "application/cloudevents+json"
_TYPE_PREFIX = "dev.wharf."
_MOST_BYTES = 256 << 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Returns an event as `GET /v1/events` shows it, and its id.
Shown = Callable[[str, Event], tuple[Any, str]]


class Documents:
    """Makes the bodies of deliveries; `origin` is the address of this installation."""

    def __init__(self, origin: str, shown: Shown) -> None:
        self._origin, self._shown = origin, shown

    def of_event(self, tenant: str, event: Event) -> tuple[str, bytes]:
        """Return the id of an event's deliveries and their body, which never change."""
        data, name = self._shown(tenant, event)
        file = event.file
        subject = {} if file is None else {"subject": f"{file.bucket}/{file.key}"}
        body = self._body(tenant, name, event.kind, event.at, {"sequence": _sequence(event.seq)})
        document = {**body, **subject, "data": data}
        encoded = msgspec.json.encode(document)
        if len(encoded) > _MOST_BYTES:
            encoded = msgspec.json.encode({**document, "data": _without_metadata(data)})
        return body["id"], encoded

    def of_test(self, delivery: Delivery) -> tuple[str, bytes]:
        """Return the id and the body of a test."""
        name = f"test-{-delivery.seq}"
        data = {"endpoint": delivery.endpoint, "message": "This is a test."}
        body = self._body(delivery.tenant, name, TEST_KIND, delivery.created_at, {})
        return body["id"], msgspec.json.encode({**body, "data": data})

    def _body(
        self, tenant: str, name: str, kind: str, at: int, more: dict[str, str]
    ) -> dict[str, Any]:
        """Return the attributes of an event (CloudEvents 1.0 section 3)."""
        return {
            "specversion": "1.0",
            "id": f"{tenant}.{name}",
            "source": f"{self._origin}/tenants/{tenant}",
            "type": f"{_TYPE_PREFIX}{kind}",
            "time": _EPOCH + timedelta(milliseconds=at),
            "datacontenttype": "application/json",
            **more,
        }


def _sequence(seq: int) -> str:
    """Return a text by which receivers order events (the extension `sequence` of CloudEvents)."""
    return f"{seq:019}"


def _without_metadata(data: object) -> Any:
    """Return the data with `truncated` instead of the metadata of its file."""
    shown = msgspec.to_builtins(data)
    if isinstance(shown.get("file"), dict):
        shown["file"].pop("metadata", None)
    return {**shown, "truncated": True}
