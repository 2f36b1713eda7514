"""The people of a tenant, for its owners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from servicekit.grants import Grant
from wharf_console.api.groups import GroupName
from wharf_console.api.pages import entries
from wharf_console.api.session import Session, address, decoded


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the tenant; `state` is `active` or `disabled`.

    If `grants` is `None`, only the role limits the person.
    """

    user_id: str
    username: str
    display_name: str
    role: str
    state: str
    created_at: datetime
    password_changed_at: datetime
    disabled_at: datetime | None = None
    grants: tuple[Grant, ...] | None = None
    groups: tuple[GroupName, ...] = ()


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """A page of people; `next_cursor` requests the next page, `None` is the end."""

    users: tuple[User, ...]
    next_cursor: str | None = None


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """A new person, by default with the user name as display name, and not limited by grants."""

    username: str
    role: str
    password: str
    display_name: str | None = None
    grants: tuple[Grant, ...] | UnsetType | None = UNSET


class UserChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The changes of a person.

    A member with its default value is not sent, so it changes nothing. `grants=None` removes all
    grants: only the role then limits the person.
    """

    display_name: str | None = None
    role: str | None = None
    state: str | None = None
    grants: tuple[Grant, ...] | UnsetType | None = UNSET


class _Password(msgspec.Struct):
    password: str


def listed(session: Session, tenant: str, *, cursor: str = "", limit: int = 100) -> Users:
    """Return a page of the tenant's people, oldest first."""
    return session.get(_path(tenant), Users, cursor=cursor, limit=limit)


def every(session: Session, tenant: str, *, at_most: int) -> Iterator[User]:
    """Yield up to `at_most` people of the tenant, oldest first, in as few calls as possible."""

    def page(cursor: str, limit: int) -> tuple[Sequence[User], str | None]:
        found = listed(session, tenant, cursor=cursor, limit=limit)
        return found.users, found.next_cursor

    return entries(page, at_most)


def read(session: Session, tenant: str, user_id: str) -> User:
    """Return a person; raises the problem `not-found`."""
    return session.get(_path(tenant, user_id), User)


def create(session: Session, tenant: str, new: NewUser) -> User:
    """Add a person; raises the problems `user-exists` and `unprocessable`."""
    return session.post(_path(tenant), new, User)


def change(session: Session, tenant: str, user_id: str, wanted: UserChange) -> User:
    """Change a person. A new role and the state `disabled` end the person's sessions.

    Raises the problem `user-protected` if people change their own role, state or grants.
    """
    return decoded(session.send("PATCH", _path(tenant, user_id), body=wanted), User)


def set_password(session: Session, tenant: str, user_id: str, password: str) -> None:
    """Set a person's password, and end the person's sessions."""
    session.send("PUT", _path(tenant, user_id, "password"), body=_Password(password))


def end_sessions(session: Session, tenant: str, user_id: str) -> None:
    """End all sessions of a person."""
    session.send("DELETE", _path(tenant, user_id, "sessions"))


def delete(session: Session, tenant: str, user_id: str) -> None:
    """Delete a person with all data about them."""
    session.send("DELETE", _path(tenant, user_id))


def _path(tenant: str, *more: str) -> str:
    return address("auth", "v1", "tenants", tenant, "users", *more)
