"""Names of the people of a tenant, for owners."""

from __future__ import annotations

import msgspec

from wharf_console.api.session import Session, address

_MOST = 100


class _User(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    username: str
    display_name: str


class _Users(msgspec.Struct, frozen=True, kw_only=True):
    users: tuple[_User, ...]


def names(session: Session, tenant: str) -> dict[str, str]:
    """Return what people are called, by their ids: the first hundred of the tenant."""
    page = session.get(address("auth", "v1", "tenants", tenant, "users"), _Users, limit=_MOST)
    return {user.user_id: user.display_name or user.username for user in page.users}
