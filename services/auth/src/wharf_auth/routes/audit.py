"""`GET /auth/v1/audit`: the audit log; owners of a tenant see the acts of their tenant only."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from flask import Blueprint, g

from servicekit.logs import timestamp
from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED, NOT_FOUND
from servicekit.protected_routes import ProtectedBlueprint
from wharf_auth.context import AppContext
from wharf_auth.domain.acts import AuditedAct
from wharf_auth.domain.names import TENANT_PATTERN
from wharf_auth.domain.scopes import ADMIN_SCOPE, MEMBERS_SCOPE
from wharf_auth.routes.protections import ADMINISTRATORS_AND_OWNERS

_LAST = (1 << 63) - 1
_Number = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class AuditQuery(msgspec.Struct):
    """The requested part of the audit log.

    The part has lines with numbers above `after` or below `before`, of all tenants or of one.
    """

    after: Annotated[_Number, msgspec.Meta(description="`next_after` of the previous page.")] = 0
    before: Annotated[
        _Number | None,
        msgspec.Meta(description="`next_before` of the previous page; for `order=newest`."),
    ] = None
    order: Annotated[
        Literal["oldest", "newest"], msgspec.Meta(description="Which acts come first.")
    ] = "oldest"
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="Acts on a page.")] = 100
    tenant: Annotated[
        Annotated[str, msgspec.Meta(pattern=f"^{TENANT_PATTERN}$(?!\n)")] | None,
        msgspec.Meta(description="Only acts of this tenant."),
    ] = None


class AuditLine(msgspec.Struct):
    """One act. `actor` is the id of a client or user, `cli`, or `service`.

    `about` is the id or name of the changed object, for instance a user. `outcome` is `done`, or
    the slug of the problem that refused the act. A refused act belongs to the tenant of its actor,
    and its `about` is the name in the request, whether it exists or not. If the request named
    another tenant, `about` begins with the name of this tenant and a slash.
    """

    seq: int
    at: str
    actor: str
    actor_tenant: str
    address: str
    request_id: str
    act: str
    tenant: str
    about: str
    outcome: str


class AuditPage(msgspec.Struct):
    """A page of acts. `next_after` is `after` of the next page, or `null` on the last page.

    For `order=newest`, `next_before` is `before` of the next page, or `null` on the last page.
    """

    acts: list[AuditLine]
    next_after: int | None
    next_before: int | None = None


AUDIT = Operation(
    id="listAuditActs",
    tag="audit",
    summary="List the acts in the audit log",
    description=(
        f"With the scope `{ADMIN_SCOPE}` the acts of all tenants; with `{MEMBERS_SCOPE}` the acts "
        "of your own tenant. A refused act belongs to the tenant of its caller. Nobody can change "
        "an act. The service deletes acts after some time, and the oldest acts of a tenant that "
        "has very many. The oldest acts come first; with `order=newest` the newest."
    ),
    query=AuditQuery,
    answers={200: Answer("A page of acts.", AuditPage)},
    problems=(MALFORMED, NOT_FOUND),
)


def answer(found: AuditedAct) -> AuditLine:
    """Convert the act into its form in responses."""
    act, by = found.act, found.act.by
    return AuditLine(
        seq=found.seq,
        at=timestamp(act.at / 1000),
        actor=by.id,
        actor_tenant=by.tenant,
        address=by.address,
        request_id=by.request_id,
        act=act.act,
        tenant=act.tenant,
        about=act.about,
        outcome=act.outcome,
    )


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the route of the audit log."""
    routes = ProtectedBlueprint(
        "audit", __name__, url_prefix="/auth/v1/audit", protection=ADMINISTRATORS_AND_OWNERS
    )

    @routes.get("")
    @operation(AUDIT)
    def audit(query: AuditQuery) -> AuditPage:
        tenant = query.tenant
        if ADMIN_SCOPE not in g.principal.scopes:
            tenant = tenant or g.principal.tenant
            if tenant != g.principal.tenant:
                raise NOT_FOUND("There is no such tenant.")
        if query.order == "newest":
            return _newest(context, query, tenant)
        if query.before is not None:
            raise MALFORMED("The parameter before needs order=newest.")
        found = context.records.audit(after=query.after, limit=query.limit + 1, tenant=tenant)
        return AuditPage(*_page(found, query.limit))

    return routes


def _newest(context: AppContext, query: AuditQuery, tenant: str | None) -> AuditPage:
    if query.after:
        raise MALFORMED("The parameter after needs order=oldest.")
    before = _LAST if query.before is None else query.before
    found = context.records.audit_before(before=before, limit=query.limit + 1, tenant=tenant)
    lines, last = _page(found, query.limit)
    return AuditPage(lines, None, last)


def _page(found: list[AuditedAct], limit: int) -> tuple[list[AuditLine], int | None]:
    """Return the lines of the page, and the number of its last line if more lines follow."""
    page = found[:limit]
    return [answer(one) for one in page], page[-1].seq if len(found) > limit else None
