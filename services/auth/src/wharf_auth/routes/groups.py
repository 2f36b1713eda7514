"""`/auth/v1/tenants/{tenant}/groups`: named sets of a tenant's people and clients."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint

from servicekit.logs import timestamp
from servicekit.operations import Answer, Operation, operation
from servicekit.problems import NOT_FOUND, TENANT_LIMIT, UNPROCESSABLE
from servicekit.protected_routes import ProtectedBlueprint
from wharf_auth.accounts import groups
from wharf_auth.context import AppContext
from wharf_auth.database.contract import NoSuchTenant
from wharf_auth.database.groups_contract import Group
from wharf_auth.problems import (
    GROUP_EXISTS,
    TENANT_DELETED,
    TOO_MANY_GROUPS,
    TOO_MANY_REVOCATIONS,
)
from wharf_auth.routes.acting import actor
from wharf_auth.routes.grant_schemas import Grants, shown_grants
from wharf_auth.routes.protections import MANAGERS_OF_TENANT
from wharf_auth.routes.tenants import Page

Scopes = Annotated[
    list[str],
    msgspec.Meta(
        description="Scopes for files, buckets and events. Members have them in addition to their "
        "own scopes."
    ),
]


class NewGroup(msgspec.Struct, forbid_unknown_fields=True):
    """A group to create. A new group has no members."""

    name: str
    scopes: Scopes = []
    grants: Grants = []


class GroupChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to a group. A member that is left out stays unchanged.

    A change applies in all services within five seconds.
    """

    name: str | msgspec.UnsetType = msgspec.UNSET
    scopes: Scopes | msgspec.UnsetType = msgspec.UNSET
    grants: Grants | msgspec.UnsetType = msgspec.UNSET


class GroupAnswer(msgspec.Struct, kw_only=True):
    """A group. `members` is the number of its users and clients."""

    group_id: str
    tenant: str
    name: str
    scopes: list[str]
    grants: Grants
    members: int
    created_at: str


class GroupList(msgspec.Struct):
    """A page of groups; `next_cursor` is `null` on the last page."""

    groups: list[GroupAnswer]
    next_cursor: str | None


CREATE = Operation(
    id="createGroup",
    tag="groups",
    summary="Create a group",
    body=NewGroup,
    answers={201: Answer("The group.", GroupAnswer)},
    problems=(
        NOT_FOUND,
        GROUP_EXISTS,
        TENANT_DELETED,
        TOO_MANY_GROUPS,
        TENANT_LIMIT,
        UNPROCESSABLE,
        TOO_MANY_REVOCATIONS,
    ),
)
LIST = Operation(
    id="listGroups",
    tag="groups",
    summary="List a tenant's groups, oldest first",
    query=Page,
    answers={200: Answer("A page of groups.", GroupList)},
    problems=(NOT_FOUND,),
)
READ = Operation(
    id="getGroup",
    tag="groups",
    summary="Read a group",
    answers={200: Answer("The group.", GroupAnswer)},
    problems=(NOT_FOUND,),
)
CHANGE = Operation(
    id="updateGroup",
    tag="groups",
    summary="Change a group's name, scopes or grants",
    body=GroupChange,
    answers={200: Answer("The group as it is now.", GroupAnswer)},
    problems=(NOT_FOUND, GROUP_EXISTS, TENANT_LIMIT, UNPROCESSABLE),
)
DELETE = Operation(
    id="deleteGroup",
    tag="groups",
    summary="Delete a group",
    answers={
        204: Answer(
            "The group was deleted. Its members lose its scopes and grants within five seconds."
        )
    },
    problems=(NOT_FOUND,),
)


def answer(group: Group, members: int) -> GroupAnswer:
    """Convert the group into its form in responses."""
    return GroupAnswer(
        group_id=group.id,
        tenant=group.tenant,
        name=group.name,
        scopes=list(group.scopes),
        grants=shown_grants(group.grants),
        members=members,
        created_at=timestamp(group.created_at / 1000),
    )


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the routes of groups."""
    routes = ProtectedBlueprint(
        "groups",
        __name__,
        url_prefix="/auth/v1/tenants/<tenant:tenant>/groups",
        protection=MANAGERS_OF_TENANT,
    )
    _add_reading(routes, context)
    _add_changing(routes, context)
    return routes


def _add_reading(routes: Blueprint, context: AppContext) -> None:
    @routes.get("")
    @operation(LIST)
    def listing(tenant: str, query: Page) -> GroupList:
        try:
            found = context.records.groups(tenant, after=query.cursor, limit=query.limit + 1)
        except NoSuchTenant:
            raise NOT_FOUND("There is no such tenant.") from None
        counts = context.records.member_counts([group.id for group in found])
        return GroupList(*query.cut(found, lambda group: answer(group, counts.get(group.id, 0))))

    @routes.get("/<client:group>")
    @operation(READ)
    def read(tenant: str, group: str) -> GroupAnswer:
        return _told(context, groups.read(context.records, tenant, group))


def _add_changing(routes: Blueprint, context: AppContext) -> None:
    records, clock = context.records, context.clock

    @routes.post("")
    @operation(CREATE)
    def create(tenant: str, body: NewGroup) -> GroupAnswer:
        made = groups.create(
            records,
            clock,
            tenant=tenant,
            name=body.name,
            wanted=body.scopes,
            given=body.grants,
            by=actor(),
        )
        return answer(made, 0)

    @routes.patch("/<client:group>")
    @operation(CHANGE)
    def change(tenant: str, group: str, body: GroupChange) -> GroupAnswer:
        wanted = groups.Change(name=body.name, scopes=body.scopes, grants=body.grants)
        return _told(context, groups.change(records, clock, tenant, group, wanted, actor()))

    @routes.delete("/<client:group>")
    @operation(DELETE)
    def delete(tenant: str, group: str) -> None:
        groups.delete(records, clock, tenant, group, actor())


def _told(context: AppContext, group: Group) -> GroupAnswer:
    return answer(group, context.records.member_counts([group.id]).get(group.id, 0))
