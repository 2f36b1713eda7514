"""`/auth/v1/tenants`: administrators create, read and change tenants."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, TypeVar

import msgspec
from flask import Blueprint

from servicekit.logs import timestamp
from servicekit.operations import Answer, Operation, operation
from servicekit.pages import PAGE_BYTES
from servicekit.problems import NOT_FOUND, UNPROCESSABLE
from servicekit.protected_routes import ProtectedBlueprint
from wharf_auth.accounts import tenants
from wharf_auth.context import AppContext
from wharf_auth.database.contract import Tenant, TenantState
from wharf_auth.domain.names import MAX_LABEL_CHARACTERS, TENANT_PATTERN
from wharf_auth.problems import TENANT_DELETED, TENANT_EXISTS, TENANT_RESERVED
from wharf_auth.routes.acting import actor
from wharf_auth.routes.protections import ADMINISTRATORS

MAX_PAGE = 1000
Entry = TypeVar("Entry")
Shown = TypeVar("Shown")


class NewTenant(msgspec.Struct, forbid_unknown_fields=True):
    """A tenant to create."""

    tenant: Annotated[str, msgspec.Meta(pattern=f"^{TENANT_PATTERN}$")]
    display_name: str | None = None


class Renaming(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to a tenant."""

    display_name: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LABEL_CHARACTERS)]


class TenantAnswer(msgspec.Struct):
    """A tenant. From `purge_at` on, a deleted tenant cannot be resumed any more."""

    tenant: str
    display_name: str
    state: TenantState
    created_at: str
    suspended_at: str | None
    deleted_at: str | None
    purge_at: str | None


class TenantList(msgspec.Struct):
    """A page of tenants; `next_cursor` is `null` on the last page."""

    tenants: list[TenantAnswer]
    next_cursor: str | None


class Page(msgspec.Struct):
    """The requested part of a list."""

    limit: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=MAX_PAGE,
            description="The most entries on a page; a page has fewer if they exceed 1 MiB.",
        ),
    ] = 100
    # The cursor is opaque for clients. It is a name or an id, so the query can use it unchanged.
    cursor: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[A-Za-z0-9_-]{0,64}$(?!\n)",
            description="`next_cursor` of the previous page.",
        ),
    ] = ""

    def cut(
        self,
        found: list[Entry],
        shown: Callable[[Entry], Shown],
        name_of: Callable[[Entry], str] = attrgetter("id"),
    ) -> tuple[list[Shown], str | None]:
        """Return the entries of the page, and the cursor of the next page if one follows.

        The caller reads up to `limit + 1` entries into `found`, in the order of `name_of`. `shown`
        converts an entry into its form in the response. A page of large entries is shorter than
        `limit`, but it has at least one entry.
        """
        page: list[Shown] = []
        size = 0
        for entry in found[: self.limit]:
            one = shown(entry)
            size += len(msgspec.json.encode(one))
            if page and size > PAGE_BYTES:
                break
            page.append(one)
        return page, name_of(found[len(page) - 1]) if len(found) > len(page) else None


CREATE = Operation(
    id="createTenant",
    tag="tenants",
    summary="Create a tenant",
    body=NewTenant,
    answers={201: Answer("The tenant.", TenantAnswer)},
    problems=(TENANT_EXISTS, UNPROCESSABLE),
)
LIST = Operation(
    id="listTenants",
    tag="tenants",
    summary="List tenants by name",
    query=Page,
    answers={200: Answer("A page of tenants.", TenantList)},
)
READ = Operation(
    id="getTenant",
    tag="tenants",
    summary="Read a tenant",
    answers={200: Answer("The tenant.", TenantAnswer)},
    problems=(NOT_FOUND,),
)
SUSPEND = Operation(
    id="suspendTenant",
    tag="tenants",
    summary="Suspend a tenant",
    description="The tenant's people and clients get no tokens, and no file of it is served.",
    answers={204: Answer("The tenant is suspended; all services apply it within five seconds.")},
    problems=(NOT_FOUND, TENANT_DELETED, TENANT_RESERVED),
)
DELETE = Operation(
    id="deleteTenant",
    tag="tenants",
    summary="Delete a tenant after a grace period",
    description="The tenant is suspended immediately. It can be resumed until `purge_at`. No other "
    "tenant ever gets its name.",
    answers={200: Answer("The tenant as it is now.", TenantAnswer)},
    problems=(NOT_FOUND, TENANT_RESERVED),
)
RESUME = Operation(
    id="resumeTenant",
    tag="tenants",
    summary="Resume a suspended or deleted tenant",
    description="A deleted tenant can be resumed until its grace period ends.",
    answers={204: Answer("The tenant is active.")},
    problems=(NOT_FOUND, TENANT_DELETED),
)
RENAME = Operation(
    id="updateTenant",
    tag="tenants",
    summary="Change a tenant's display name",
    body=Renaming,
    answers={200: Answer("The tenant as it is now.", TenantAnswer)},
    problems=(NOT_FOUND, TENANT_DELETED, UNPROCESSABLE),
)


def time_or_none(milliseconds: int | None) -> str | None:
    """Convert a time of the records, in milliseconds, to the format of RFC 3339."""
    return None if milliseconds is None else timestamp(milliseconds / 1000)


def answer(tenant: Tenant) -> TenantAnswer:
    """Convert the tenant into its form in responses."""
    return TenantAnswer(
        tenant.name,
        tenant.display_name,
        tenant.state,
        timestamp(tenant.created_at / 1000),
        time_or_none(tenant.suspended_at),
        time_or_none(tenant.deleted_at),
        time_or_none(tenant.purge_at),
    )


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the routes of tenants."""
    routes = ProtectedBlueprint(
        "tenants", __name__, url_prefix="/auth/v1/tenants", protection=ADMINISTRATORS
    )
    _add_creating_and_reading(routes, context)
    _add_changing(routes, context)
    return routes


def _add_creating_and_reading(routes: Blueprint, context: AppContext) -> None:
    records, clock = context.records, context.clock

    @routes.post("")
    @operation(CREATE)
    def create(body: NewTenant) -> TenantAnswer:
        return answer(tenants.create(records, clock, body.tenant, body.display_name, actor()))

    @routes.get("")
    @operation(LIST)
    def listing(query: Page) -> TenantList:
        found = records.tenants(after=query.cursor, limit=query.limit + 1)
        return TenantList(*query.cut(found, answer, attrgetter("name")))

    @routes.get("/<tenant:tenant>")
    @operation(READ)
    def read(tenant: str) -> TenantAnswer:
        return answer(tenants.read(records, tenant))


def _add_changing(routes: Blueprint, context: AppContext) -> None:
    records, clock = context.records, context.clock

    @routes.patch("/<tenant:tenant>")
    @operation(RENAME)
    def rename(tenant: str, body: Renaming) -> TenantAnswer:
        tenants.rename(records, clock, tenant, body.display_name, actor())
        return answer(tenants.read(records, tenant))

    @routes.delete("/<tenant:tenant>")
    @operation(DELETE)
    def delete(tenant: str) -> TenantAnswer:
        grace = context.settings.tenant_grace_seconds
        tenants.delete(records, clock, tenant, grace, actor())
        return answer(tenants.read(records, tenant))

    @routes.post("/<tenant:tenant>/suspend")
    @operation(SUSPEND)
    def suspend(tenant: str) -> None:
        tenants.suspend(records, clock, tenant, actor())

    @routes.post("/<tenant:tenant>/resume")
    @operation(RESUME)
    def resume(tenant: str) -> None:
        tenants.resume(records, clock, tenant, actor())
