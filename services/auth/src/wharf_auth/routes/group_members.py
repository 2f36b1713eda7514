"""`…/groups/{group}/members`: the members of a group."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from flask import Blueprint

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import NOT_FOUND, UNPROCESSABLE
from servicekit.protected_routes import ProtectedBlueprint
from wharf_auth.accounts import groups
from wharf_auth.context import AppContext
from wharf_auth.database.groups_contract import Member
from wharf_auth.problems import TOO_MANY_GROUPS
from wharf_auth.routes.acting import actor, count_rows
from wharf_auth.routes.protections import MANAGERS_OF_TENANT
from wharf_auth.routes.tenants import Page

Subjects = Annotated[
    list[str],
    msgspec.Meta(max_length=groups.MAX_MEMBERS_AT_ONCE, description="Ids of users and clients."),
]


class MemberChanges(msgspec.Struct, forbid_unknown_fields=True):
    """The members to add and to remove. The service makes all of these changes, or none."""

    add: Subjects = []
    remove: Subjects = []


class MemberAnswer(msgspec.Struct):
    """A member of a group; `name` is the name of the user or of the client."""

    subject: str
    kind: Literal["user", "client"]
    name: str


class MemberList(msgspec.Struct):
    """A page of members; `next_cursor` is `null` on the last page."""

    members: list[MemberAnswer]
    next_cursor: str | None


LIST = Operation(
    id="listGroupMembers",
    tag="groups",
    summary="List the members of a group",
    query=Page,
    answers={200: Answer("A page of members.", MemberList)},
    problems=(NOT_FOUND,),
)
CHANGE = Operation(
    id="updateGroupMembers",
    tag="groups",
    summary="Add and remove members of a group",
    description="The service makes all changes or none. It is no error to add a member again, or "
    "to remove a subject that is not a member. Rate limits count ten members as one request.",
    body=MemberChanges,
    answers={204: Answer("The members are changed.")},
    problems=(NOT_FOUND, TOO_MANY_GROUPS, UNPROCESSABLE),
)
ADD = Operation(
    id="addGroupMember",
    tag="groups",
    summary="Add a user or client to a group",
    answers={204: Answer("The user or client is in the group.")},
    problems=(NOT_FOUND, TOO_MANY_GROUPS, UNPROCESSABLE),
)
REMOVE = Operation(
    id="removeGroupMember",
    tag="groups",
    summary="Remove a user or client from a group",
    answers={204: Answer("The user or client is not in the group.")},
    problems=(NOT_FOUND,),
)


def answer(member: Member) -> MemberAnswer:
    """Convert the member into its form in responses."""
    return MemberAnswer(member.id, member.kind, member.name)


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the routes of a group's members."""
    routes = ProtectedBlueprint(
        "group_members",
        __name__,
        url_prefix="/auth/v1/tenants/<tenant:tenant>/groups/<client:group>/members",
        protection=MANAGERS_OF_TENANT,
    )
    records, clock = context.records, context.clock

    @routes.get("")
    @operation(LIST)
    def listing(tenant: str, group: str, query: Page) -> MemberList:
        found = groups.members(records, tenant, group, after=query.cursor, limit=query.limit + 1)
        return MemberList(*query.cut(found, answer))

    @routes.post("")
    @operation(CHANGE)
    def change(tenant: str, group: str, body: MemberChanges) -> None:
        count_rows(len(body.add) + len(body.remove))
        groups.change_members(
            records, clock, tenant, group, add=body.add, remove=body.remove, by=actor()
        )

    @routes.put("/<client:subject>")
    @operation(ADD)
    def add(tenant: str, group: str, subject: str) -> None:
        groups.add_member(records, clock, tenant, group, subject, actor())

    @routes.delete("/<client:subject>")
    @operation(REMOVE)
    def remove(tenant: str, group: str, subject: str) -> None:
        groups.remove_member(records, clock, tenant, group, subject, actor())

    return routes
