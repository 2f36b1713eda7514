"""`/auth/v1/tenants/{tenant}/users`: the people of a tenant, for administrators and owners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from flask import Blueprint, Response, g

from servicekit.logs import timestamp
from servicekit.operations import Answer, Operation, operation
from servicekit.problems import NOT_FOUND, TENANT_LIMIT, UNAVAILABLE, UNPROCESSABLE
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.web import json_response
from wharf_auth.accounts.users import NewUser as NewAccount
from wharf_auth.accounts.users import UserService
from wharf_auth.context import AppContext
from wharf_auth.database.contract import NoSuchTenant
from wharf_auth.database.groups_contract import NamedGroup
from wharf_auth.database.people_contract import User
from wharf_auth.domain.names import label
from wharf_auth.problems import (
    TENANT_DELETED,
    TENANT_RESERVED,
    TOO_MANY_REVOCATIONS,
    USER_EXISTS,
    USER_PROTECTED,
)
from wharf_auth.routes.acting import actor
from wharf_auth.routes.grant_schemas import Grants, GroupName, group_names, shown_grants
from wharf_auth.routes.protections import MANAGERS_OF_TENANT
from wharf_auth.routes.tenants import Page, time_or_none

Role = Literal["viewer", "editor", "owner"]


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """A user to create. Without `password`, the service generates a password."""

    username: str
    role: Role
    display_name: str | None = None
    password: str | None = None
    grants: Grants = None


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to a user. A member that is left out stays unchanged.

    A new role, or the state `disabled`, ends the user's sessions. New grants end no session; they
    apply in all services within five seconds.
    """

    display_name: str | msgspec.UnsetType = msgspec.UNSET
    role: Role | msgspec.UnsetType = msgspec.UNSET
    state: Literal["active", "disabled"] | msgspec.UnsetType = msgspec.UNSET
    grants: Grants | msgspec.UnsetType = msgspec.UNSET


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """A new password: 8 to 256 characters of any kind."""

    password: str


class UserAnswer(msgspec.Struct, kw_only=True):
    """A user. `state` is `active` or `disabled`; `grants` leaves out the grants of its groups."""

    user_id: str
    tenant: str
    username: str
    display_name: str
    role: str
    grants: Grants
    groups: list[GroupName]
    state: str
    created_at: str
    password_changed_at: str
    disabled_at: str | None


class NewUserAnswer(UserAnswer, kw_only=True):
    """A new user. Only this response shows a generated password."""

    password: Annotated[
        str | msgspec.UnsetType, msgspec.Meta(description="Present when the service generated it.")
    ] = msgspec.UNSET


class UserList(msgspec.Struct):
    """A page of users; `next_cursor` is `null` on the last page."""

    users: list[UserAnswer]
    next_cursor: str | None


CREATE = Operation(
    id="createUser",
    tag="users",
    summary="Create a user",
    body=NewUser,
    answers={201: Answer("The user.", NewUserAnswer, {"Cache-Control": "`no-store`."})},
    problems=(
        NOT_FOUND,
        USER_EXISTS,
        TENANT_DELETED,
        TENANT_RESERVED,
        TENANT_LIMIT,
        UNPROCESSABLE,
        TOO_MANY_REVOCATIONS,
        UNAVAILABLE,
    ),
)
LIST = Operation(
    id="listUsers",
    tag="users",
    summary="List a tenant's users, oldest first",
    query=Page,
    answers={200: Answer("A page of users.", UserList)},
    problems=(NOT_FOUND,),
)
READ = Operation(
    id="getUser",
    tag="users",
    summary="Read a user",
    answers={200: Answer("The user.", UserAnswer)},
    problems=(NOT_FOUND,),
)
CHANGE = Operation(
    id="updateUser",
    tag="users",
    summary="Change a user's display name, role, state or grants",
    body=UserChange,
    answers={200: Answer("The user as it is now.", UserAnswer)},
    problems=(NOT_FOUND, USER_PROTECTED, TENANT_LIMIT, UNPROCESSABLE),
)
SET_PASSWORD = Operation(
    id="setUserPassword",
    tag="users",
    summary="Set a user's password and end the user's sessions",
    body=NewPassword,
    answers={204: Answer("The password is set.")},
    problems=(NOT_FOUND, USER_PROTECTED, UNPROCESSABLE, UNAVAILABLE),
)
DELETE = Operation(
    id="deleteUser",
    tag="users",
    summary="Delete a user and all data about it",
    answers={204: Answer("The user was deleted, and its sessions have ended.")},
    problems=(NOT_FOUND, USER_PROTECTED),
)
END_SESSIONS = Operation(
    id="endUserSessions",
    tag="users",
    summary="End all sessions of a user",
    answers={204: Answer("The sessions have ended.")},
    problems=(NOT_FOUND,),
)


def answer(user: User, groups: Sequence[NamedGroup] = ()) -> UserAnswer:
    """Convert the user into its form in responses."""
    return UserAnswer(
        user_id=user.id,
        tenant=user.tenant,
        username=user.username,
        display_name=user.display_name,
        role=user.role,
        grants=shown_grants(user.grants),
        groups=group_names(groups),
        state="active" if user.disabled_at is None else "disabled",
        created_at=timestamp(user.created_at / 1000),
        password_changed_at=timestamp(user.password_changed_at / 1000),
        disabled_at=time_or_none(user.disabled_at),
    )


def with_password(user: User, password: str | None) -> NewUserAnswer:
    """Convert a new user into its form in responses, with the password if one was generated."""
    shown = NewUserAnswer(**msgspec.structs.asdict(answer(user)))
    if password is not None:
        shown.password = password
    return shown


def _require_other(user: str, doing: str) -> None:
    if user == g.principal.subject:
        raise USER_PROTECTED(f"You cannot {doing}.")


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the routes of users."""
    routes = ProtectedBlueprint(
        "users",
        __name__,
        url_prefix="/auth/v1/tenants/<tenant:tenant>/users",
        protection=MANAGERS_OF_TENANT,
    )
    _add_creating(routes, context)
    _add_reading(routes, context)
    _add_changing(routes, context)
    _add_ending(routes, context)
    return routes


def _add_creating(routes: Blueprint, context: AppContext) -> None:
    @routes.post("")
    @operation(CREATE)
    def create(tenant: str, body: NewUser) -> Response:
        new = NewAccount(
            tenant, body.username, body.role, body.display_name, body.password, body.grants
        )
        made, password = context.users.create(new, actor())
        shown = with_password(made, password if body.password is None else None)
        response = json_response(shown, 201)
        response.headers["Cache-Control"] = "no-store"
        return response


def _add_reading(routes: Blueprint, context: AppContext) -> None:
    @routes.get("")
    @operation(LIST)
    def listing(tenant: str, query: Page) -> UserList:
        try:
            found = context.records.users(tenant, after=query.cursor, limit=query.limit + 1)
        except NoSuchTenant:
            raise NOT_FOUND("There is no such tenant.") from None
        groups = context.records.group_names_of(tenant, [user.id for user in found])
        return UserList(*query.cut(found, lambda user: answer(user, groups.get(user.id, ()))))

    @routes.get("/<client:user>")
    @operation(READ)
    def read(tenant: str, user: str) -> UserAnswer:
        return _told(context, context.users.read(tenant, user))


def _told(context: AppContext, user: User) -> UserAnswer:
    groups = context.records.group_names_of(user.tenant, [user.id])
    return answer(user, groups.get(user.id, ()))


def _add_changing(routes: Blueprint, context: AppContext) -> None:
    rules = context.users

    @routes.patch("/<client:user>")
    @operation(CHANGE)
    def change(tenant: str, user: str, body: UserChange) -> UserAnswer:
        rules.read(tenant, user)
        if any(one is not msgspec.UNSET for one in (body.role, body.state, body.grants)):
            _require_other(user, "change your own role, state or grants")
        if body.display_name is not msgspec.UNSET:
            # This check comes before the first change: a refused request changes nothing.
            label(body.display_name, "display name")
        _set_rights(rules, tenant, user, body)
        if body.display_name is not msgspec.UNSET:
            rules.rename(tenant, user, body.display_name, actor())
        if body.state == "disabled":
            rules.disable(tenant, user, actor())
        elif body.state == "active":
            rules.enable(tenant, user, actor())
        return _told(context, rules.read(tenant, user))

    @routes.put("/<client:user>/password")
    @operation(SET_PASSWORD)
    def set_password(tenant: str, user: str, body: NewPassword) -> None:
        changed = rules.read(tenant, user)
        # A thief with a stolen token must not be able to take over the account permanently.
        _require_other(user, "set your own password without the current password")
        rules.set_password(changed, body.password, actor())


def _set_rights(rules: UserService, tenant: str, user: str, body: UserChange) -> None:
    """Set role and grants in one step when the request has both.

    A user that becomes an owner has to lose its list of grants in the same step.
    """
    if body.role is not msgspec.UNSET and body.grants is not msgspec.UNSET:
        rules.set_rights(tenant, user, body.role, body.grants, actor())
    elif body.role is not msgspec.UNSET:
        rules.set_role(tenant, user, body.role, actor())
    elif body.grants is not msgspec.UNSET:
        rules.set_grants(tenant, user, body.grants, actor())


def _add_ending(routes: Blueprint, context: AppContext) -> None:
    @routes.delete("/<client:user>")
    @operation(DELETE)
    def delete(tenant: str, user: str) -> None:
        _require_other(user, "delete your own account")
        context.users.delete(tenant, user, actor())

    @routes.delete("/<client:user>/sessions")
    @operation(END_SESSIONS)
    def end_sessions(tenant: str, user: str) -> None:
        context.users.end_sessions(tenant, user, actor())
