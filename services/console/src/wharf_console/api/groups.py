"""The groups of a tenant and their members, for its owners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from servicekit.grants import Grant
from wharf_console.api.pages import entries
from wharf_console.api.session import Session, address, decoded


class GroupName(msgspec.Struct, frozen=True, kw_only=True):
    """The id and name of a group."""

    group_id: str
    name: str


class Group(GroupName, frozen=True, kw_only=True):
    """A group; `members` is the number of members.

    If `grants` is `None`, no grants limit the members.
    """

    scopes: tuple[str, ...]
    grants: tuple[Grant, ...] | None
    members: int
    created_at: datetime


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """A page of groups; `next_cursor` requests the next page, `None` is the end."""

    groups: tuple[Group, ...]
    next_cursor: str | None = None


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A person (`user`) or a program (`client`) in a group; `name` may be empty."""

    subject: str
    kind: str
    name: str = ""


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """A page of members; `next_cursor` requests the next page, `None` is the end."""

    members: tuple[Member, ...]
    next_cursor: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A new group, or the changes of an existing one.

    With `UNSET`, a new group has no grants, and a change keeps the grants. With `grants=None`, no
    grants limit the members.
    """

    name: str
    scopes: tuple[str, ...]
    grants: tuple[Grant, ...] | UnsetType | None = UNSET


class _MembersChange(msgspec.Struct, frozen=True, kw_only=True):
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


def listed(session: Session, tenant: str, *, cursor: str = "", limit: int = 100) -> Groups:
    """Return a page of the tenant's groups, oldest first."""
    return session.get(_path(tenant), Groups, cursor=cursor, limit=limit)


def every(session: Session, tenant: str, *, at_most: int) -> Iterator[Group]:
    """Yield up to `at_most` groups of the tenant, oldest first, in as few calls as possible."""

    def page(cursor: str, limit: int) -> tuple[Sequence[Group], str | None]:
        found = listed(session, tenant, cursor=cursor, limit=limit)
        return found.groups, found.next_cursor

    return entries(page, at_most)


def read(session: Session, tenant: str, group: str) -> Group:
    """Return a group; raises the problem `not-found`."""
    return session.get(_path(tenant, group), Group)


def create(session: Session, tenant: str, wanted: Wanted) -> Group:
    """Add a group; raises `group-exists`, `too-many-groups` and `unprocessable`."""
    return session.post(_path(tenant), wanted, Group)


def change(session: Session, tenant: str, group: str, wanted: Wanted) -> Group:
    """Change a group; the change takes effect for all members within seconds."""
    return decoded(session.send("PATCH", _path(tenant, group), body=wanted), Group)


def delete(session: Session, tenant: str, group: str) -> None:
    """Delete a group; its members keep their own grants and scopes."""
    session.send("DELETE", _path(tenant, group))


def members(
    session: Session, tenant: str, group: str, *, cursor: str = "", limit: int = 100
) -> Members:
    """Return a page of the members of a group."""
    return session.get(_path(tenant, group, "members"), Members, cursor=cursor, limit=limit)


def add(session: Session, tenant: str, group: str, subjects: tuple[str, ...]) -> None:
    """Add all these members, or none if the API refuses; a subject may be a member already."""
    session.send("POST", _path(tenant, group, "members"), body=_MembersChange(add=subjects))


def remove(session: Session, tenant: str, group: str, subject: str) -> None:
    """Remove a member from a group; raises the problem `not-found` for an unknown group."""
    session.send("DELETE", _path(tenant, group, "members", subject))


def _path(tenant: str, *more: str) -> str:
    return address("auth", "v1", "tenants", tenant, "groups", *more)
