"""`/v1/webhooks`: endpoints that receive the tenant's events as signed requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec
from flask import g

from servicekit.ids import uuid7_hex
from servicekit.operations import operation
from servicekit.problems import NOT_FOUND, UNPROCESSABLE
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from wharf_upload.access.authorization import WEBHOOKS
from wharf_upload.domain import keys
from wharf_upload.domain.webhooks import EventFilter, Replay
from wharf_upload.http import webhook_schemas as schemas
from wharf_upload.http.event_cursors import LAST, EventCursors
from wharf_upload.routes import webhook_bodies as bodies
from wharf_upload.routes import webhook_operations as declared
from wharf_upload.webhooks.endpoint_catalog import Change, EndpointCatalog, Shown

_ID = re.compile(r"[0-9a-f]{32}")
_MICROSECONDS = 1_000_000
T = TypeVar("T")


def blueprint(catalog: EndpointCatalog, cursors: Callable[[], EventCursors]) -> ProtectedBlueprint:
    """Return the routes; `cursors` returns the cursors of events."""
    routes = ProtectedBlueprint("webhooks", __name__, protection=scope(WEBHOOKS))
    _add_endpoints(routes, catalog)
    _add_acts(routes, catalog, cursors)
    _add_deliveries(routes, catalog, cursors)
    return routes


def _add_endpoints(routes: ProtectedBlueprint, catalog: EndpointCatalog) -> None:
    @routes.post("/v1/webhooks")
    @operation(declared.CREATE)
    def create(body: bodies.NewEndpoint) -> tuple[int, schemas.EndpointWithSecret]:
        wanted = EventFilter(
            kinds=body.kinds, bucket=_bucket(body.bucket), prefix=body.prefix or ""
        )
        shown = catalog.create(
            g.principal,
            url=body.url,
            description=body.description,
            wanted=wanted,
            ordered=body.ordered,
        )
        return 201, _with_secret(shown)

    @routes.get("/v1/webhooks")
    @operation(declared.LIST)
    def list_endpoints() -> schemas.Endpoints:
        return schemas.Endpoints(tuple(map(schemas.of_endpoint, catalog.all(g.principal))))

    @routes.get("/v1/webhooks/<endpoint>")
    @operation(declared.GET)
    def get(endpoint: str) -> schemas.EndpointDocument:
        return schemas.of_endpoint(catalog.find(g.principal, _checked(endpoint)))

    @routes.patch("/v1/webhooks/<endpoint>")
    @operation(declared.CHANGE)
    def change(endpoint: str, body: bodies.EndpointChange) -> schemas.EndpointDocument:
        changed = catalog.change(g.principal, _checked(endpoint), _change(body))
        return schemas.of_endpoint(changed)

    @routes.delete("/v1/webhooks/<endpoint>")
    @operation(declared.DELETE)
    def delete(endpoint: str) -> None:
        catalog.delete(g.principal, _checked(endpoint))


def _add_acts(
    routes: ProtectedBlueprint, catalog: EndpointCatalog, cursors: Callable[[], EventCursors]
) -> None:
    @routes.post("/v1/webhooks/<endpoint>/test")
    @operation(declared.TEST)
    def test(endpoint: str) -> tuple[int, schemas.DeliveryDocument]:
        return 202, schemas.of_delivery(catalog.test(g.principal, _checked(endpoint)))

    @routes.post("/v1/webhooks/<endpoint>/rotate")
    @operation(declared.ROTATE)
    def rotate(endpoint: str) -> schemas.EndpointWithSecret:
        return _with_secret(catalog.rotate(g.principal, _checked(endpoint)))

    @routes.post("/v1/webhooks/<endpoint>/enable")
    @operation(declared.ENABLE)
    def enable(endpoint: str, body: bodies.Enabling | None) -> schemas.EndpointDocument:
        from_now = body is not None and body.from_ == "now"
        enabled = catalog.enable(g.principal, _checked(endpoint), from_now=from_now)
        return schemas.of_endpoint(enabled)

    @routes.post("/v1/webhooks/<endpoint>/replay")
    @operation(declared.REPLAY)
    def replay(endpoint: str, body: bodies.ReplayRequest) -> tuple[int, schemas.EndpointDocument]:
        wanted = _replay(body, g.principal.tenant, cursors())
        begun = catalog.replay(g.principal, _checked(endpoint), wanted)
        return 202, schemas.of_endpoint(begun)


def _add_deliveries(
    routes: ProtectedBlueprint, catalog: EndpointCatalog, cursors: Callable[[], EventCursors]
) -> None:
    @routes.get("/v1/webhooks/<endpoint>/deliveries")
    @operation(declared.DELIVERIES)
    def list_deliveries(endpoint: str, query: bodies.DeliveryQuery) -> schemas.DeliveryPage:
        tenant = g.principal.tenant
        before = _number(tenant, query.cursor, cursors()) if query.cursor else None
        found = catalog.deliveries(
            g.principal,
            _checked(endpoint),
            state=query.state,
            before=before,
            limit=query.limit + 1,
        )
        page = found[: query.limit]
        is_last = len(found) <= query.limit
        return schemas.DeliveryPage(
            deliveries=tuple(map(schemas.of_delivery, page)),
            next_cursor=None if is_last else schemas.delivery_id(tenant, page[-1].seq),
        )

    @routes.get("/v1/webhooks/<endpoint>/deliveries/<delivery>")
    @operation(declared.DELIVERY)
    def get_delivery(endpoint: str, delivery: str) -> schemas.DeliveryDocument:
        number = _number(g.principal.tenant, delivery, cursors())
        return schemas.of_delivery(catalog.delivery(g.principal, _checked(endpoint), number))

    @routes.post("/v1/webhooks/<endpoint>/deliveries/<delivery>/retry")
    @operation(declared.RETRY)
    def retry(endpoint: str, delivery: str) -> tuple[int, schemas.DeliveryDocument]:
        number = _number(g.principal.tenant, delivery, cursors())
        return 202, schemas.of_delivery(catalog.retry(g.principal, _checked(endpoint), number))


def _with_secret(shown: Shown) -> schemas.EndpointWithSecret:
    document = schemas.of_endpoint(shown.endpoint)
    return schemas.EndpointWithSecret(endpoint=document, secret=shown.secret)


def _checked(endpoint: str) -> str:
    """Return the id; raises the problem `not-found` for a text that is no id."""
    if not _ID.fullmatch(endpoint):
        raise NOT_FOUND("No endpoint has this id.")
    return endpoint


def _number(tenant: str, name: str, cursors: EventCursors) -> int:
    """Return the number of a delivery from its id."""
    number = schemas.test_number(name)
    return cursors.read(tenant, name, "cursor") if number is None else number


def _bucket(name: str | None) -> str:
    """Return the bucket of a filter, empty for all buckets; raises `InvalidKey`."""
    return keys.bucket_name(name) if name else ""


def _change(body: bodies.EndpointChange) -> Change:
    bucket = body.bucket if body.bucket is msgspec.UNSET else _bucket(body.bucket)

    def narrowed(known: EventFilter) -> EventFilter:
        given = {"kinds": body.kinds, "bucket": bucket, "prefix": body.prefix}
        values = {
            name: "" if value is None else value
            for name, value in given.items()
            if value is not msgspec.UNSET
        }
        return msgspec.structs.replace(known, **values)

    return Change(
        url=_given(body.url),
        description=_given(body.description),
        filter=narrowed,
        ordered=_given(body.ordered),
        paused=_given(body.paused),
    )


def _given(value: T | msgspec.UnsetType) -> T | None:
    return None if value is msgspec.UNSET else value


def _replay(body: bodies.ReplayRequest, tenant: str, cursors: EventCursors) -> Replay:
    if (body.after is None) == (body.since is None):
        raise UNPROCESSABLE("Send either after or since.")
    if body.since is not None:
        position = max(0, int(body.since.timestamp() * _MICROSECONDS) - 1)
    else:
        position = cursors.read(tenant, body.after or "", "after")
    until = LAST if body.until is None else cursors.read(tenant, body.until, "until")
    if until < position:
        raise UNPROCESSABLE("The event `until` is older than the start of the replay.")
    return Replay(
        id=uuid7_hex(),
        position=position,
        until=until,
        kinds=body.kinds,
        failed_only=body.failed_only,
    )
