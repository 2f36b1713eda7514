"""The command `wharf-upload webhooks`, with which operators inspect and change endpoints."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from servicekit.problems import ProblemError
from servicekit.tokens import Principal
from wharf_upload.domain.webhooks import Delivery, Endpoint
from wharf_upload.settings import Settings

if TYPE_CHECKING:
    from wharf_upload.webhooks.endpoint_catalog import EndpointCatalog

_ID = re.compile(r"[0-9a-f]{32}")
_SHOWN_DELIVERIES = 20
# The name of the caller in the lines `audit` of the log.
_OPERATOR = "wharf-upload webhooks"
_TENANT = click.argument("tenant")
_ENDPOINT = click.argument("endpoint")
T = TypeVar("T")


@click.group()
def webhooks() -> None:
    """List, test, pause and enable the endpoints of webhooks."""


@webhooks.command("list")
@click.option("--tenant", help="List only endpoints of this tenant.")
@click.option(
    "--failing", is_flag=True, help="List only endpoints whose last delivery failed, or disabled."
)
@click.pass_obj
def list_endpoints(own: Settings, tenant: str | None, *, failing: bool) -> None:
    """Print the endpoints, one line of JSON each, without their secrets."""
    from wharf_upload import bootstrap
    from wharf_upload.webhooks import resealing

    endpoints = bootstrap.open_live_records(own).endpoints
    found = resealing.everything(endpoints) if tenant is None else endpoints.endpoints(tenant)
    for endpoint in found:
        if not failing or endpoint.failing_since is not None or endpoint.state == "disabled":
            click.echo(_endpoint_line(endpoint))


@webhooks.command("show")
@_TENANT
@_ENDPOINT
@click.option("--failed", is_flag=True, help="Show only deliveries that have failed.")
@click.pass_obj
def show(own: Settings, tenant: str, endpoint: str, *, failed: bool) -> None:
    """Print ENDPOINT of TENANT and its newest 20 deliveries, one line of JSON each."""

    def run(catalog: EndpointCatalog, caller: Principal) -> tuple[Endpoint, list[Delivery]]:
        deliveries = catalog.deliveries(
            caller,
            endpoint,
            state="failed" if failed else None,
            before=None,
            limit=_SHOWN_DELIVERIES,
        )
        return catalog.find(caller, endpoint), deliveries

    known, deliveries = _run(own, tenant, endpoint, run)
    click.echo(_endpoint_line(known))
    for delivery in deliveries:
        click.echo(_delivery_line(delivery))


@webhooks.command("pause")
@_TENANT
@_ENDPOINT
@click.pass_obj
def pause(own: Settings, tenant: str, endpoint: str) -> None:
    """Stop the deliveries to ENDPOINT of TENANT; its events wait."""
    from wharf_upload.webhooks.endpoint_catalog import Change

    change = Change(paused=True)
    click.echo(
        _endpoint_line(
            _run(
                own,
                tenant,
                endpoint,
                lambda catalog, caller: catalog.change(caller, endpoint, change),
            )
        )
    )


@webhooks.command("enable")
@_TENANT
@_ENDPOINT
@click.option("--from-now", is_flag=True, help="Skip the events that have waited.")
@click.pass_obj
def enable(own: Settings, tenant: str, endpoint: str, *, from_now: bool) -> None:
    """Let ENDPOINT of TENANT continue after a pause, or after Wharf has disabled it."""
    click.echo(
        _endpoint_line(
            _run(
                own,
                tenant,
                endpoint,
                lambda catalog, caller: catalog.enable(caller, endpoint, from_now=from_now),
            )
        )
    )


@webhooks.command("test")
@_TENANT
@_ENDPOINT
@click.pass_obj
def test(own: Settings, tenant: str, endpoint: str) -> None:
    """Let the worker send a test to ENDPOINT of TENANT; `show` then shows the answer."""
    click.echo(
        _delivery_line(
            _run(own, tenant, endpoint, lambda catalog, caller: catalog.test(caller, endpoint))
        )
    )


@webhooks.command("retry")
@_TENANT
@_ENDPOINT
@click.argument("delivery")
@click.pass_obj
def retry(own: Settings, tenant: str, endpoint: str, delivery: str) -> None:
    """Deliver DELIVERY of ENDPOINT of TENANT again; `show` prints the ids of deliveries."""
    from wharf_upload.http import webhook_schemas as schemas
    from wharf_upload.http.event_cursors import EventCursors

    def run(catalog: EndpointCatalog, caller: Principal) -> Delivery:
        number = schemas.test_number(delivery)
        if number is None:
            number = EventCursors(None, own.event_seconds).read(tenant, delivery, "DELIVERY")
        return catalog.retry(caller, endpoint, number)

    click.echo(_delivery_line(_run(own, tenant, endpoint, run)))


def _run(
    own: Settings, tenant: str, endpoint: str, run: Callable[[EndpointCatalog, Principal], T]
) -> T:
    """Return the result of a step on an endpoint; exit with 1 if the step is not possible."""
    from wharf_upload import bootstrap, webhook_bootstrap

    # PostgreSQL refuses texts that contain NUL.
    if not _ID.fullmatch(endpoint) or "\0" in tenant:
        sys.exit("wharf-upload: no endpoint has this id")
    records = bootstrap.open_live_records(own)
    catalog = webhook_bootstrap.catalog(own, records.webhooks, time.time)
    caller = Principal(tenant, _OPERATOR, frozenset(), "", 0)
    with _explained():
        return run(catalog, caller)


@contextmanager
def _explained() -> Iterator[None]:
    """Exit with the text of a problem."""
    try:
        yield
    except ProblemError as error:
        sys.exit(f"wharf-upload: {error.detail}")


def _endpoint_line(endpoint: Endpoint) -> str:
    from wharf_upload.http import webhook_schemas as schemas

    shown = msgspec.to_builtins(schemas.of_endpoint(endpoint))
    return msgspec.json.encode({"tenant": endpoint.tenant, **shown}).decode()


def _delivery_line(delivery: Delivery) -> str:
    from wharf_upload.http import webhook_schemas as schemas

    return msgspec.json.encode(schemas.of_delivery(delivery)).decode()
