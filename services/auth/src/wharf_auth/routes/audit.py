"""`GET /auth/v1/audit`: the audit log, for administrators, and of a tenant for its owners."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, g

from servicekit.logs import timestamp
from servicekit.operations import Answer, Operation, operation
from servicekit.problems import NOT_FOUND
from servicekit.protected_routes import ProtectedBlueprint
from wharf_auth.context import AppContext
from wharf_auth.domain.acts import AuditedAct
from wharf_auth.domain.names import TENANT_PATTERN
from wharf_auth.domain.scopes import ADMIN_SCOPE, MEMBERS_SCOPE
from wharf_auth.routes.protections import ADMINISTRATORS_AND_OWNERS


class AuditQuery(msgspec.Struct):
    """Which part of the log: lines numbered above `after`, at most `limit`, of one tenant."""

    after: Annotated[
        int, msgspec.Meta(ge=0, lt=1 << 62, description="`next_after` of the page before.")
    ] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="Acts on a page.")] = 100
    tenant: Annotated[
        Annotated[str, msgspec.Meta(pattern=f"^{TENANT_PATTERN}$(?!\n)")] | None,
        msgspec.Meta(description="Only acts of this tenant."),
    ] = None


class AuditLine(msgspec.Struct):
    """One act. `actor` is a client's or user's id, `cli`, or `service`; `about` what was acted on.

    `outcome` is `done` or the slug of the problem with which it was refused.
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
    """A page; `next_after` begins the next one, `null` on the last one there is so far."""

    acts: list[AuditLine]
    next_after: int | None


AUDIT = Operation(
    id="listAuditActs",
    tag="audit",
    summary="List the acts in the audit log, oldest first",
    description=(
        f"With `{ADMIN_SCOPE}` all of it; with `{MEMBERS_SCOPE}` what is about the own tenant. "
        "Nothing can change or remove a line."
    ),
    query=AuditQuery,
    answers={200: Answer("A page of acts.", AuditPage)},
    problems=(NOT_FOUND,),
)


def answer(found: AuditedAct) -> AuditLine:
    """How an act looks from outside."""
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
    """The route of the audit log."""
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
        found = context.records.audit(after=query.after, limit=query.limit + 1, tenant=tenant)
        page = found[: query.limit]
        more = len(found) > query.limit
        return AuditPage([answer(one) for one in page], page[-1].seq if more else None)

    return routes
